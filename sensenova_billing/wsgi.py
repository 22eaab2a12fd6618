"""The web application as servers load it."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from sensenova_billing.checks import refuse_unsafe_database
from sensenova_billing.lifeline import die_with_parent_under_runner

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensenova_billing.settings")

# The web server loads this in each of its worker processes.
die_with_parent_under_runner()
application = get_wsgi_application()
refuse_unsafe_database()

# A batch makes tens of thousands of objects that go as it is answered, none of them in a circle. What was
# loaded by now stays for good: the collector need not look through it again and again.
gc.freeze()
gc.set_threshold(100_000, 50, 100)
