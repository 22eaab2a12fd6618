"""A broken build of the workers: each closes by its own clock, not by the database's."""

from typing import Any
from unittest.mock import patch

from celery.signals import worker_ready

from sensenova_billing.celery import app
from sensenova_billing.lib import clock

__all__ = ["app"]


@worker_ready.connect
def trust_own_clock(**_: Any) -> None:
    """Put the process's clock into the database's place."""
    patch("invoices.tasks.database_now", clock.now).start()
