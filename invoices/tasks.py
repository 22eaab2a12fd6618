"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from invoices.account import balance_rules
from invoices.books import results
from invoices.budgets import refresh as budgets
from invoices.budgets.mail import mail_alerts
from invoices.canary.calls import post_canary_calls
from invoices.canary.check import check_canaries
from invoices.canary.mail import mail_canaries, problem_text
from invoices.closing import close
from invoices.models import Verification
from invoices.monitoring import open_hours
from invoices.packages.after_sale import sweep
from invoices.packages.after_sale.renewal import renew_packages
from invoices.payments.look_up import look_up_silent_payments
from invoices.portal import price_notices
from invoices.retention.archive import archive_due
from invoices.running import refresh
from invoices.seals import publish
from invoices.statements import issue
from invoices.usage_report import metadata
from sensenova_billing.lib.measurements import Metric, observe, write_measurements
from usage.billing_hours import database_now

logger = logging.getLogger(__name__)


@shared_task
def close_due_hours() -> None:
    """Close every hour that is due; packages are renewed before and after each, and looked after in the end.

    Before the next hour is closed, because a renewal begins in an open one, and after an outage many are due.
    """
    try:
        _renew()
    finally:
        closed = close.close_due_hours(now=database_now(), on_closed=_closed)
        write_measurements()
    if closed:
        sweep_packages()


@shared_task
def refresh_running_hours() -> None:
    """Sum up open hours with many records or amounts, and raise alarms for those far beyond the usual."""
    now = database_now()
    refresh.refresh_running_hours(now=now)
    for alarm in open_hours.watch_open_hours(now=now):
        logger.warning("The open hour %s is far beyond the usual: %s", alarm, alarm.reason)


@shared_task
def refresh_budgets() -> None:
    """Write how far budgets are used, and mail the alerts."""
    now = database_now()
    budgets.refresh_budgets(now=now)
    mail_alerts(now=now)


@shared_task
def issue_statements() -> None:
    """Issue the statements of months that are final."""
    if issued := issue.issue_due_statements(now=database_now()):
        logger.info("Issued %s statements", f"{issued:,}")


@shared_task
def apply_balance_rules() -> None:
    """Warn and suspend customers by the balance rules, and resume those that are within them again."""
    if changed := balance_rules.apply_balance_rules(now=database_now()):
        logger.info("Suspended or resumed %s customers by the balance rules", f"{changed:,}")


@shared_task
def notify_of_price_changes() -> None:
    """Write notices of prices that change for customers."""
    if written := price_notices.notify_of_price_changes(now=database_now()):
        logger.info("Wrote %s notices of prices that change", f"{written:,}")


@shared_task
def look_up_payments() -> None:
    """Ask the payment provider how payments ended of which no call-back came."""
    if changed := look_up_silent_payments(now=database_now()):
        logger.info("Looked up how %s online payments ended", f"{changed:,}")


@shared_task
def publish_seals() -> None:
    """Keep the seals of closed hours outside the database."""
    if added := publish.publish_seals(now=database_now()):
        logger.info("Kept the seals of %s hours outside the database", f"{added:,}")


@shared_task
def run_canaries() -> None:
    """Check the bills of canary customers, then post this hour's calls for them."""
    now = database_now()
    for canary in check_canaries(now=now):
        logger.error("%s", problem_text(canary))
    mail_canaries(now=now)
    if hours := post_canary_calls(now=now):
        logger.info("Posted the calls of %s canary customers", f"{hours:,}")


@shared_task
def sum_up_metadata() -> None:
    """Sum up closed hours by the metadata of their calls."""
    metadata.sum_up_closed_hours(now=database_now())


@shared_task
def sweep_packages() -> None:
    """Do and mail what is due about packages."""
    _log_swept(sweep.sweep_packages(now=database_now()))


def _renew() -> None:
    _log_swept(sweep.Swept(renewed=renew_packages(now=database_now())))


def _closed(closed: close.ClosedHour) -> None:
    observe(Metric.CLOSING_SECONDS, closed.took.total_seconds())
    _log_closed(closed)
    _renew()


def _log_swept(swept: sweep.Swept) -> None:
    if line := str(swept):
        logger.info("Packages: %s", line)


def _log_closed(closed: close.ClosedHour) -> None:
    level = logging.WARNING if closed.parked else logging.INFO
    logger.log(level, "Closed the hour %s", closed)


@shared_task(acks_late=False)
def archive_usage() -> None:
    """Archive usage records of months that are old enough."""
    for made in archive_due(now=database_now()):
        logger.info("Archived %s usage records in %s", f"{made.records:,}", made)


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
