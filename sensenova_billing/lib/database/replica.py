"""A replica of the database, for reads that may be some time behind: files, and the usage page.

`REPLICA_DATABASE_URL` names it. Whether a person may read something is looked up in the primary before.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

REPLICA = "replica"
SECONDS_UNTIL_NEXT_TRY = 10

logger = logging.getLogger(__name__)


@contextmanager
def reading_replica() -> Iterator[None]:
    """Read from the replica until the block ends, where there is one that is not too far behind.

    Changes nothing within a transaction, which belongs to its own connection.
    """
    own = connections[DEFAULT_DB_ALIAS]
    if REPLICA not in settings.DATABASES or own.in_atomic_block or not _STATE.is_usable():
        yield
        return
    connections[DEFAULT_DB_ALIAS] = connections[REPLICA]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = own


class ReplicaState:
    """What this process knows of the replica; one that failed is not read for some seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_try = 0.0
        self._is_well = True

    def is_usable(self) -> bool:
        """Whether it answers and is not too far behind."""
        with self._lock:
            if time.monotonic() < self._next_try:
                return False
        try:
            behind = _seconds_behind(connections[REPLICA])
        except DatabaseError as error:
            return self._note(str(error))
        if behind > settings.REPLICA_MOST_LAG.total_seconds():
            return self._note(f"it is {behind} s behind")
        return self._note("")

    def _note(self, fault: str) -> bool:
        with self._lock:
            was_well, self._is_well = self._is_well, not fault
            if fault:
                self._next_try = time.monotonic() + SECONDS_UNTIL_NEXT_TRY
        if fault and was_well:
            logger.warning("The primary answers for the replica: %s", fault)
        if not fault and not was_well:
            logger.info("The replica answers again")
        return not fault


def _seconds_behind(replica: BaseDatabaseWrapper) -> int:
    """Return how old the last commit is that is in it; 0 for a server that is no replica."""
    with replica.cursor() as cursor:
        cursor.execute(_SECONDS_BEHIND)
        ((seconds,),) = cursor.fetchall()
    return int(seconds)


_STATE = ReplicaState()
_SECONDS_BEHIND = """
SELECT CASE WHEN pg_is_in_recovery()
            THEN coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 1e9)
            ELSE 0 END::bigint
"""
