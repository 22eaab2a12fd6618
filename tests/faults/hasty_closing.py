"""A broken build of the workers: they close at REPEATABLE READ, and nothing refuses it.

The product has no such switch and refuses that isolation level; here, in a process of its own, the function
that refuses is replaced by one that does not.
"""

import datetime as dt
from typing import Any
from unittest.mock import patch

from celery.signals import worker_ready
from django.db import connection

from sensenova_billing.celery import app

__all__ = ["app"]

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LOCK_CLASS = 1213158738


def lock_hour_at_repeatable_read(hour: dt.datetime) -> None:
    """Take the hour's lock as the product does, in a transaction that sees nothing of what it waited for."""
    with connection.cursor() as cursor:
        if hour != EPOCH:  # for which the first lock of the transaction has been taken already
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        number = (hour - EPOCH) // dt.timedelta(hours=1)
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, number])


@worker_ready.connect
def close_hastily(**_: Any) -> None:
    """Put it into the product's place."""
    patch("invoices.closing.close.lock_hour_for_closing", lock_hour_at_repeatable_read).start()
