"""A connection outside the pool, dedicated to one kind of work that one thread at a time does.

A pool hands its connections out in turn, so each was last used long ago: the backend's plans and tables have
left the processor's caches, and a round trip takes half as long again as on a connection in constant use.
These connections come on top of the pool's size (docs/operations.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sensenova_billing.lib.database.base import ended_by_server
from sensenova_billing.lib.database.time_limits import Work, startup_options


class DedicatedConnection:
    """Replaces a thread's default connection for a while; one thread at a time may use it."""

    def __init__(self, work: Work = Work.PAGE) -> None:
        self._work = work
        self._wrapper: BaseDatabaseWrapper | None = None

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Make this connection the thread's default one until the block ends.

        Changes nothing within a transaction, which belongs to its own connection, or without a pool
        (DATABASE_POOL_SIZE is 0).
        """
        own = connections[DEFAULT_DB_ALIAS]
        if own.in_atomic_block or not own.settings_dict["OPTIONS"].get("pool"):
            yield
            return
        if self._wrapper is None:
            self._wrapper = _copy_of(own, self._work)
        if self._wrapper.connection is not None and ended_by_server(self._wrapper.connection):
            self._wrapper.close()
        connections[DEFAULT_DB_ALIAS] = self._wrapper
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = own
            # A connection that failed is closed here; the next use opens another.
            self._wrapper.close_if_unusable_or_obsolete()

    def close(self) -> None:
        """Close it; the next use opens another."""
        if self._wrapper is not None:
            self._wrapper.close()


@contextmanager
def separate_connection(work: Work) -> Iterator[None]:
    """Let this thread use a connection that is opened for the block, so that it never waits for the pool."""
    separate = DedicatedConnection(work)
    try:
        with separate.as_default():
            yield
    finally:
        separate.close()


def _copy_of(own: BaseDatabaseWrapper, work: Work) -> BaseDatabaseWrapper:
    copy = own.copy()
    options = copy.settings_dict["OPTIONS"]
    options.pop("pool")
    options["options"] = startup_options(options.get("options", ""), work)
    # The pool renews its connections each hour too: one may lead to a server that has become a replica.
    copy.settings_dict["CONN_MAX_AGE"] = 3600
    copy.inc_thread_sharing()
    return copy
