"""A broken build of the workers: each closes by its own clock, not by the database's."""

from typing import Any
from unittest.mock import patch

from celery.signals import worker_process_init

from accounts import clock
from sensenova_billing.celery import app

__all__ = ["app"]


@worker_process_init.connect
def trust_own_clock(**_: Any) -> None:
    """Put the process's clock into the database's place, in each process of the pool."""
    patch("invoices.tasks.database_now", clock.now).start()
