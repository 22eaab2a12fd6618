"""Which store decides on calls after Redis was away, where PostgreSQL takes over (docs/call-limits.md).

Only one store may decide, so all processes and hosts have to know when Redis failed any of them: a row of
PostgreSQL says it, and each process reads it once a second. For a window after the last failure PostgreSQL
decides alone; then Redis, which knows nothing of what was admitted meanwhile, decides together with it, until
it knows all that still counts.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from enum import Enum

from sensenova_billing.lib.database.prepared_statements import fetch_all
from usage.limits.stores.windows import WINDOW

# A window, and what others may be late by: they keep what they read for a second, and trips take time.
TOGETHER_FOR = WINDOW + dt.timedelta(seconds=4)
CACHED_FOR_NS = 10**9

logger = logging.getLogger(__name__)


class Deciding(Enum):
    """Who decides whether a call is admitted."""

    REDIS = "Redis keeps the call limits again"
    BOTH = "Redis and PostgreSQL keep the call limits together, for Redis was away"
    POSTGRESQL = "Redis is away, PostgreSQL keeps the call limits meanwhile"


def deciding_after(since_failure: dt.timedelta | None) -> Deciding:
    """Return who decides when Redis failed so long ago, or never."""
    if since_failure is None or since_failure >= WINDOW + TOGETHER_FOR:
        return Deciding.REDIS
    return Deciding.BOTH if since_failure >= WINDOW else Deciding.POSTGRESQL


class Switch:
    """Knows who decides, in this process; used by all of its threads."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = 0
        self._deciding: Deciding | None = None

    def deciding(self, *, at: dt.datetime | None = None) -> Deciding:
        """Return who decides, as it was within the last second."""
        now = self._clock()
        with self._lock:
            if self._deciding is not None and now - self._read_at < CACHED_FOR_NS:
                return self._deciding
        # Not under the lock: for a connection one may have to wait until another has got past the lock.
        rows = fetch_all(_SINCE_FAILURE, at)
        with self._lock:
            if self._deciding is not None and self._read_at > now:
                return self._deciding  # others have read it, or fallen back, since this began
            return self._keep(deciding_after(rows[0][0] if rows else None), now, "as all are told")

    def fall_back(self, why: Exception, *, at: dt.datetime | None = None) -> None:
        """Let PostgreSQL decide, here from now on and everywhere within a second."""
        fetch_all(_STORE_FAILURE, at)
        with self._lock:
            self._keep(Deciding.POSTGRESQL, self._clock(), str(why))

    def _keep(self, deciding: Deciding, now: int, why: str) -> Deciding:
        # A change is told, not each trip: there are hundreds a second.
        if deciding is not (self._deciding or Deciding.REDIS):
            level = logging.WARNING if deciding is Deciding.POSTGRESQL else logging.INFO
            logger.log(level, "%s: %s", deciding.value, why)
        self._deciding, self._read_at = deciding, now
        return deciding


_SINCE_FAILURE = "SELECT coalesce(%s::timestamptz, clock_timestamp()) - failed_at FROM usage_redisaway"
_STORE_FAILURE = """
INSERT INTO usage_redisaway AS known (is_only, failed_at)
VALUES (true, coalesce(%s::timestamptz, clock_timestamp()))
    ON CONFLICT (is_only) DO UPDATE SET failed_at = greatest(known.failed_at, excluded.failed_at)
RETURNING true
"""
