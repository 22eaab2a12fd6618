"""Deeds done at the same time, each in a thread with its own connection to the database."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection

PATIENCE = 20.0  # seconds after which something that should have happened counts as not happening

_WAITING = """
SELECT count(*) FROM pg_locks
 WHERE NOT granted AND locktype = %s
   AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


class Together:
    """Starts deeds, each with its own connection."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def start(self, deed: Callable[[], Any]) -> Future[Any]:
        """Do this in a thread of its own, and close its connection afterwards."""
        return self._pool.submit(_with_own_connection, deed)


@contextmanager
def together() -> Iterator[Together]:
    """Wait at the end for every deed that was started."""
    with ThreadPoolExecutor() as pool:
        yield Together(pool)


def wait_until_waiting(number: int, *, locktype: str = "advisory") -> None:
    """Return when so many connections wait for a lock of this type; fail when they never do."""
    deadline = time.monotonic() + PATIENCE
    waiting = -1
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Within a transaction PostgreSQL would go on showing the connections that it showed first.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_WAITING, [locktype])
            (waiting,) = cursor.fetchone()
        if waiting == number:
            return
    raise AssertionError(f"{waiting} connections wait for a lock of type {locktype}, not {number}.")


def _with_own_connection(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    finally:
        connection.close()
