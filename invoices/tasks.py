"""What the clock rings for; each calls one verb that may run any number of times."""

from celery import shared_task

from invoices import closing
from usage.hours import database_now


@shared_task
def close_due_hours() -> None:
    """Close every hour that is due."""
    closing.close_due_hours(now=database_now())
