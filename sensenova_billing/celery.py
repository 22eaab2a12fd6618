"""The Celery application; its beat table is in settings.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensenova_billing.settings")

app = Celery("sensenova_billing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
