"""The web application as servers load it."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import resolve
from django.utils.module_loading import import_string

from sensenova_billing.checks import refuse_unsafe_database, refuse_unsafe_secret_key
from sensenova_billing.dev_server.parent_death import die_with_parent_under_runner
from sensenova_billing.http.concurrency import ConcurrencyLimit
from sensenova_billing.http.draining import Draining
from sensenova_billing.lib.measurements import start_writing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensenova_billing.settings")
os.environ.setdefault("SENSENOVA_WORK", "page")

# The web server loads this in each of its worker processes.
die_with_parent_under_runner()
application = Draining(
    ConcurrencyLimit(
        get_wsgi_application(),
        requests=settings.REQUESTS_AT_ONCE,
        busy=import_string("sensenova_billing.http.errors.busy"),
    )
)
refuse_unsafe_secret_key()
refuse_unsafe_database()
start_writing()

# Otherwise all views are loaded by the first request, which waits for them.
resolve("/healthz")

# Garbage collection stops every request. What is loaded by now stays for good and need not be scanned again
# and again. A batch of 10,000 starts it about twice.
gc.collect()
gc.freeze()
gc.set_threshold(5_000, 10, 10)
