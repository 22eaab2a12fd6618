"""The settings of the product for the fault harness: the clock runs fast, and the bells ring as often."""

from decimal import Decimal

from sensenova_billing.settings import *  # noqa: F403
from sensenova_billing.settings import (
    CELERY_BEAT_SCHEDULE,
    CELERY_BROKER_URL,
    INSTALLED_APPS,
    SILENCED_SYSTEM_CHECKS,
    env,
)
from tests.faults.people import APPROVED_ALONE

INSTALLED_APPS = [*INSTALLED_APPS, "tests"]  # for `set_stage` and `sell_packages`
CLOCK_MAY_BE_WRONG = True
PACKAGE_REFUNDS = "unused"
PAYMENT_PROVIDER = "fake"
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS, "billing.E034"]  # it takes no money
CREDIT_APPROVAL_ABOVE = Decimal(APPROVED_ALONE)
CELERY_BEAT_SCHEDULE["close due hours"] |= {
    "schedule": env.float("SECONDS_BETWEEN_BELLS", default=0.3),
    "options": {"expires": 5},
}
CELERY_BEAT_SCHEDULE["sweep packages"] |= {"schedule": 1.0, "options": {"expires": 5}}
CELERY_BEAT_SCHEDULE["issue statements"] |= {"schedule": 1.0, "options": {"expires": 5}}
CELERY_BEAT_SCHEDULE["look up payments"] |= {"schedule": 1.0, "options": {"expires": 5}}
CELERY_BEAT_MAX_LOOP_INTERVAL = 0.2
if CELERY_BROKER_URL.startswith("pgmq"):
    # A task whose worker was killed is delivered once more within the run, not ten minutes later.
    CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] = 5  # noqa: F405
