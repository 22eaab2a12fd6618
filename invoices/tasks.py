"""What the clock rings for; each calls one verb that may run any number of times."""

from celery import shared_task

from invoices import closing, verifications
from usage.hours import database_now


@shared_task
def close_due_hours() -> None:
    """Close every hour that is due."""
    closing.close_due_hours(now=database_now())


# Taken off the queue at once: a day of many millions of records takes longer than the broker waits before it
# hands a task to another worker. If it is lost, the next night begins where the last result ended.
@shared_task(acks_late=False)
def verify_last_day() -> None:
    """Verify the day that ended last."""
    verifications.verify_last_day(now=database_now())
