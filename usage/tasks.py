"""What the clock rings for; each calls one verb that may run any number of times."""

import logging

from celery import shared_task

from usage.postgres_windows import PostgresWindows

logger = logging.getLogger(__name__)


@shared_task
def forget_calls() -> None:
    """Remove what PostgreSQL keeps for call limits and is too old; in Redis it ends by itself."""
    removed = PostgresWindows().forget()
    if removed:
        logger.info("Removed %s admitted calls that can no longer be settled", f"{removed:,}")
