"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from usage.billing_hours import database_now
from usage.limits.notices import often_reached
from usage.limits.stores.postgres import PostgresWindows
from usage.refused.counters import forget_refused_usage

logger = logging.getLogger(__name__)


@shared_task
def forget_calls() -> None:
    """Remove expired calls and counters of refused usage; in Redis calls expire."""
    removed = PostgresWindows().forget()
    if removed:
        logger.info("Removed %s admitted calls that can no longer be settled", f"{removed:,}")
    forgotten = forget_refused_usage(now=database_now())
    if forgotten:
        logger.info("Removed %s counters of refused usage that are too old", f"{forgotten:,}")


@shared_task
def notify_of_limits() -> None:
    """Write notices of limits that refuse many calls."""
    if written := often_reached.notify_of_limits(now=database_now()):
        logger.info("Wrote %s notices of limits that are often reached", f"{written:,}")
