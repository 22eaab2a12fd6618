"""Which store admits calls after a failure of Redis, where PostgreSQL takes over (docs/call-limits.md).

The stores must not admit independently, so all processes and hosts have to know when Redis last failed any of
them: a row in PostgreSQL holds the time, and each process reads it once a second. For a window after the last
failure PostgreSQL decides alone; then Redis, which knows none of the calls admitted in that time, decides
together with PostgreSQL until it knows all calls that still count.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from enum import Enum

from sensenova_billing.lib.database.prepared_statements import fetch_all
from usage.limits.stores.windows import WINDOW

# A window, and by how much other processes may lag: they cache the row for a second, and requests take time.
TOGETHER_FOR = WINDOW + dt.timedelta(seconds=4)
CACHED_FOR_NS = 10**9

logger = logging.getLogger(__name__)


class Deciding(Enum):
    """Which store decides whether a call is admitted."""

    REDIS = "Redis keeps the call limits again"
    BOTH = "Redis and PostgreSQL keep the call limits together, because Redis was unavailable"
    POSTGRESQL = "Redis is unavailable, PostgreSQL keeps the call limits until it is back"


def deciding_after(since_failure: dt.timedelta | None) -> Deciding:
    """Return which store decides so long after the last failure of Redis; None: it never failed."""
    if since_failure is None or since_failure >= WINDOW + TOGETHER_FOR:
        return Deciding.REDIS
    return Deciding.BOTH if since_failure >= WINDOW else Deciding.POSTGRESQL


class Switch:
    """Knows which store decides; shared by all threads of this process."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = 0
        self._deciding: Deciding | None = None

    def deciding(self, *, at: dt.datetime | None = None) -> Deciding:
        """Return which store decides, at most a second old."""
        now = self._clock()
        with self._lock:
            if self._deciding is not None and now - self._read_at < CACHED_FOR_NS:
                return self._deciding
        # Not under the lock: a thread that waits for the lock may hold the connection that this one needs.
        rows = fetch_all(_SINCE_FAILURE, at)
        with self._lock:
            if self._deciding is not None and self._read_at > now:
                return self._deciding  # another thread has read it, or fallen back, since this began
            return self._set(deciding_after(rows[0][0] if rows else None), now, "as stored for all processes")

    def fall_back(self, why: Exception, *, at: dt.datetime | None = None) -> None:
        """Let PostgreSQL decide: at once in this process, and within a second in all others."""
        fetch_all(_STORE_FAILURE, at)
        with self._lock:
            self._set(Deciding.POSTGRESQL, self._clock(), str(why))

    def _set(self, deciding: Deciding, now: int, why: str) -> Deciding:
        # Only changes are logged, not each failed request: there may be hundreds a second.
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
