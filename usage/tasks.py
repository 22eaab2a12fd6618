"""Scheduled tasks; each calls one idempotent use case."""

import logging

from celery import shared_task

from usage.billing_hours import database_now
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
