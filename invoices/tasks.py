"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from invoices.books import results
from invoices.closing import close
from invoices.models import Verification
from invoices.packages.after_sale import sweep
from usage.billing_hours import database_now

logger = logging.getLogger(__name__)


@shared_task
def close_due_hours() -> None:
    """Close every hour that is due, then see what that means for packages."""
    if close.close_due_hours(now=database_now(), on_closed=_log_closed):
        sweep_packages()


@shared_task
def sweep_packages() -> None:
    """Write and mail what is due about packages."""
    if swept := str(sweep.sweep_packages(now=database_now())):
        logger.info("Packages: %s", swept)


def _log_closed(closed: close.ClosedHour) -> None:
    level = logging.WARNING if closed.parked else logging.INFO
    logger.log(level, "Closed the hour %s", closed)


# Taken off the queue at once: a day of many millions of records takes longer than the broker waits before it
# hands a task to another worker. If it is lost, the next night begins where the last result ended.
@shared_task(acks_late=False)
def verify_last_day() -> None:
    """Verify the day that ended last."""
    log_verification(results.verify_last_day(now=database_now()))


def log_verification(verification: Verification | None) -> None:
    """Write one line, if anything was verified."""
    if verification is not None:
        level = logging.ERROR if verification.findings else logging.INFO
        logger.log(level, "Verified the hours %s", verification.summary)
