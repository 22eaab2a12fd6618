"""The settings of the product, made faster for tests."""

import datetime as dt

from sensenova_billing.settings import *  # noqa: F403
from sensenova_billing.settings import DATABASES, INSTALLED_APPS, SILENCED_SYSTEM_CHECKS

# For our own `flush`, which gets past the append-only tables.
INSTALLED_APPS = [*INSTALLED_APPS, "tests"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A pool would keep connections open that the test database's removal has to wait for.
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
# Many tests sign in from one address; a test of the lock-out turns it on.
AXES_ENABLED = False
# Another thread would not see what a test has not committed.
SETTLE_CALLS_BESIDE = False
COUNT_REFUSED_USAGE_IN_BACKGROUND = False
# There are no collected files here, of which whitenoise would warn.
WHITENOISE_AUTOREFRESH = True
# Receivers of webhooks are on this machine, which may be busy.
WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
WEBHOOK_ALLOW_HTTP = True
WEBHOOK_TIMEOUT = dt.timedelta(seconds=30)
# Its pages are visited; where DEBUG is off it is refused.
PAYMENT_PROVIDER = "fake"
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS, "billing.E034"]
