"""Which store keeps the windows of call limits, and what happens while Redis is away.

Without `REDIS_URL` PostgreSQL keeps them. With it, `CALL_LIMITS_WITHOUT_REDIS` says what holds while Redis is
away: "refuse", so that no call is admitted, or "postgresql", whose windows start empty then. Nothing makes
calls unlimited.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import redis
from django.conf import settings

from usage.postgres_windows import PostgresWindows
from usage.redis_windows import RedisWindows
from usage.windows import (
    AskedCall,
    CallWindows,
    CountedCalls,
    Refusal,
    Refused,
    SettledCall,
    Standing,
    State,
    StoreAway,
    Use,
)

REFUSE = "refuse"
POSTGRESQL = "postgresql"
WITHOUT_REDIS = (REFUSE, POSTGRESQL)

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def call_windows() -> CallWindows:
    """Return the store that the settings choose; raise StoreAway if they name one that cannot be."""
    if not settings.REDIS_URL:
        return PostgresWindows()
    in_redis = _in_redis(settings.REDIS_URL, settings.REDIS_TIMEOUT)
    if settings.CALL_LIMITS_WITHOUT_REDIS == POSTGRESQL:
        return RedisOrPostgres(in_redis, PostgresWindows())
    return in_redis


def is_address(url: str) -> bool:
    """Return whether a Redis could be at this address; nothing is sent to it."""
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, redis.RedisError):  # no URL, an option that there is not, or its value
        return False
    return True


@cache  # it keeps its connections
def _in_redis(url: str, timeout: dt.timedelta) -> RedisWindows:
    if not is_address(url):
        raise StoreAway("REDIS_URL cannot be read")
    return RedisWindows(url, timeout=timeout)


class RedisOrPostgres:
    """Keeps the windows in Redis, and in PostgreSQL while Redis is away."""

    def __init__(self, in_redis: CallWindows, in_postgres: CallWindows) -> None:
        self._redis = in_redis
        self._postgres = in_postgres

    def admit(self, asked: Sequence[AskedCall], *, at: dt.datetime | None = None) -> list[Standing]:
        """Admit in Redis, or in PostgreSQL."""
        return _first(lambda: self._redis.admit(asked, at=at), lambda: self._postgres.admit(asked, at=at))

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[State]:
        """Settle in Redis; and in PostgreSQL what Redis does not know, for it may have been away."""
        unknown = [State.UNKNOWN] * len(calls)
        states = _first(lambda: self._redis.settle(calls, at=at), lambda: unknown)
        places = [place for place, state in enumerate(states) if state is State.UNKNOWN]
        if places:
            others = self._postgres.settle([calls[place] for place in places], at=at)
            for place, state in zip(places, others, strict=True):
                states[place] = state
        return states

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count in Redis, or in PostgreSQL."""
        _first(lambda: self._redis.count(calls, at=at), lambda: self._postgres.count(calls, at=at))

    def look(self, whose: Sequence[tuple[int, int]], *, at: dt.datetime | None = None) -> list[Use]:
        """Look into Redis, or into PostgreSQL."""
        return _first(lambda: self._redis.look(whose, at=at), lambda: self._postgres.look(whose, at=at))

    def refusals(self, *, customer_id: int | None = None, at: dt.datetime | None = None) -> list[Refused]:
        """Return what was refused by either; while Redis is away, by PostgreSQL."""
        nothing: list[Refused] = []
        found = _first(lambda: self._redis.refusals(customer_id=customer_id, at=at), lambda: nothing)
        counted: Counter[tuple[int, int, Refusal]] = Counter()
        for one in [*found, *self._postgres.refusals(customer_id=customer_id, at=at)]:
            counted[one.customer_id, one.service_id, one.refusal] += one.calls
        return [Refused(*whose, calls) for whose, calls in sorted(counted.items())]


def _first(in_redis: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
    try:
        return in_redis()
    except StoreAway as error:
        logger.warning("Redis is away, PostgreSQL keeps the call limits meanwhile: %s", error)
        return otherwise()
