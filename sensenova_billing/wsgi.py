"""The web application as servers load it."""

import os

from django.core.wsgi import get_wsgi_application

from sensenova_billing.lifeline import die_with_parent_under_runner

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensenova_billing.settings")

# The web server loads this in each of its worker processes.
die_with_parent_under_runner()
application = get_wsgi_application()
