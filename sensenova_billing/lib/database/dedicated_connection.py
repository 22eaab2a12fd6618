"""A connection that is kept, for work that one thread at a time does, whichever that is.

A pool hands its connections out in turn, so each was used long ago: the backend's plans and tables are no
longer at hand for the processor, and a trip takes half as long again as on one that has just been used. What
is kept here comes beside those of the pool (docs/operations.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sensenova_billing.lib.database.base import ended_by_server
from sensenova_billing.lib.database.time_limits import Work, startup_options


class KeptConnection:
    """Stands in for a thread's own connection; for one thread at a time."""

    def __init__(self, work: Work = Work.PAGE) -> None:
        self._work = work
        self._kept: BaseDatabaseWrapper | None = None

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let this thread use the kept connection until the block ends.

        Not in a transaction, to which all that is done belongs; and not where no connection is to be kept
        (DATABASE_POOL_SIZE is 0).
        """
        own = connections[DEFAULT_DB_ALIAS]
        if own.in_atomic_block or not own.settings_dict["OPTIONS"].get("pool"):
            yield
            return
        if self._kept is None:
            self._kept = _copy_of(own, self._work)
        if self._kept.connection is not None and ended_by_server(self._kept.connection):
            self._kept.close()
        connections[DEFAULT_DB_ALIAS] = self._kept
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = own
            # One that failed is closed here; the next who needs it opens another.
            self._kept.close_if_unusable_or_obsolete()

    def close(self) -> None:
        """Close it; the next who needs it opens another."""
        if self._kept is not None:
            self._kept.close()


@contextmanager
def separate_connection(work: Work) -> Iterator[None]:
    """Let this thread use a connection that is opened for the block: it waits for none of the pool."""
    separate = KeptConnection(work)
    try:
        with separate.lent():
            yield
    finally:
        separate.close()


def _copy_of(own: BaseDatabaseWrapper, work: Work) -> BaseDatabaseWrapper:
    kept = own.copy()
    options = kept.settings_dict["OPTIONS"]
    options.pop("pool")
    options["options"] = startup_options(options.get("options", ""), work)
    # As the pool renews its own each hour: one may lead to a server that has become a replica.
    kept.settings_dict["CONN_MAX_AGE"] = 3600
    kept.inc_thread_sharing()
    return kept
