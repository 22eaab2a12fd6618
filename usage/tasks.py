"""What the clock rings for; each calls one verb that may run any number of times."""

from celery import shared_task

from usage.postgres_windows import PostgresWindows


@shared_task
def forget_calls() -> None:
    """Remove what PostgreSQL keeps for call limits and is too old; in Redis it ends by itself."""
    PostgresWindows().forget()
