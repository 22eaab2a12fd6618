"""Which store keeps the windows of call limits, and what happens while Redis is away.

Without `REDIS_URL` PostgreSQL keeps them. With it, `CALL_LIMITS_WITHOUT_REDIS` says what holds while Redis is
away: "refuse", so that no call is admitted, or "postgresql", whose windows start empty then, and which gives
Redis its place back as `redis_away.py` says. Nothing makes calls unlimited.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import redis
from django.conf import settings

from usage.limits.stores.failover import Deciding, Switch
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import (
    CallState,
    CallWindows,
    CountedCalls,
    LimitStatus,
    Refusal,
    RefusalCount,
    RequestedCall,
    SettledCall,
    StoreUnavailable,
    Use,
)

REFUSE = "refuse"
POSTGRESQL = "postgresql"
WITHOUT_REDIS = (REFUSE, POSTGRESQL)

Answer = TypeVar("Answer")


def call_windows() -> CallWindows:
    """Return the store that the settings choose; raise StoreUnavailable if they name one that cannot be."""
    if not settings.REDIS_URL:
        return PostgresWindows()
    if settings.CALL_LIMITS_WITHOUT_REDIS == POSTGRESQL:
        return _redis_or_postgres(settings.REDIS_URL, settings.REDIS_TIMEOUT)
    return _in_redis(settings.REDIS_URL, settings.REDIS_TIMEOUT)


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
        raise StoreUnavailable("REDIS_URL cannot be read")
    return RedisWindows(url, timeout=timeout)


@cache  # it knows for a second who decides
def _redis_or_postgres(url: str, timeout: dt.timedelta) -> "RedisOrPostgres":
    return RedisOrPostgres(_in_redis(url, timeout), PostgresWindows(), Switch())


class RedisOrPostgres:
    """Keeps the windows in Redis, and in PostgreSQL while Redis is away and for some time after."""

    def __init__(self, in_redis: CallWindows, in_postgres: CallWindows, switch: Switch) -> None:
        self._redis = in_redis
        self._postgres = in_postgres
        self._switch = switch

    def admit(self, asked: Sequence[RequestedCall], *, at: dt.datetime | None = None) -> list[LimitStatus]:
        """Admit what the store that decides admits, or, where both decide, what both admit."""
        deciding = self._switch.deciding(at=at)
        if deciding is Deciding.REDIS:
            statuses = self._try(lambda: self._redis.admit(asked, at=at), at)
            return self._postgres.admit(asked, at=at) if statuses is None else statuses
        statuses = self._postgres.admit(asked, at=at)
        if deciding is Deciding.POSTGRESQL:
            return statuses
        # If Redis is away again, PostgreSQL knows all that counts.
        return self._try(lambda: self._narrowed(asked, statuses, at), at) or statuses

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[CallState]:
        """Settle each call in the store that holds it; raise StoreUnavailable if a release may be Redis's."""
        deciding = self._switch.deciding(at=at)
        in_redis = None
        if deciding is not Deciding.POSTGRESQL:
            in_redis = self._try(lambda: self._redis.settle(calls, at=at), at)
        states = [CallState.UNKNOWN] * len(calls) if in_redis is None else in_redis
        # Also what Redis does not know: it may have been away.
        places = [
            n for n, state in enumerate(states) if state is CallState.UNKNOWN or deciding is Deciding.BOTH
        ]
        if places:
            others = self._postgres.settle([calls[place] for place in places], at=at)
            for place, state in zip(places, others, strict=True):
                states[place] = state if states[place] is CallState.UNKNOWN else states[place]
        missed = (call for call, state in zip(calls, states, strict=True) if state is CallState.UNKNOWN)
        if in_redis is None and any(call.used_tokens is None for call in missed):
            raise StoreUnavailable("Redis is away, and may hold a call that is to be released.")
        return states

    def customers_of(self, call_id: str, *, at: dt.datetime | None = None) -> set[int]:
        """Return the customers that either store knows; raise StoreUnavailable if Redis may know one."""
        in_redis = None
        if self._switch.deciding(at=at) is not Deciding.POSTGRESQL:
            in_redis = self._try(lambda: self._redis.customers_of(call_id, at=at), at)
        found = self._postgres.customers_of(call_id, at=at)
        if in_redis is None and not found:
            raise StoreUnavailable("Redis is away, and may hold a call of this id.")
        return found | (in_redis or set())

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count where it is decided."""
        deciding = self._switch.deciding(at=at)
        if deciding is not Deciding.POSTGRESQL:
            try:
                self._redis.count(calls, at=at)
            except StoreUnavailable as error:
                self._switch.fall_back(error, at=at)
            else:
                if deciding is Deciding.REDIS:
                    return
        self._postgres.count(calls, at=at)

    def look(self, whose: Sequence[tuple[int, int]], *, at: dt.datetime | None = None) -> list[Use]:
        """Look into Redis, or, while it does not decide alone, into PostgreSQL."""
        uses = None
        if self._switch.deciding(at=at) is Deciding.REDIS:
            uses = self._try(lambda: self._redis.look(whose, at=at), at)
        return self._postgres.look(whose, at=at) if uses is None else uses

    def refusals(
        self, *, customer_id: int | None = None, at: dt.datetime | None = None
    ) -> list[RefusalCount]:
        """Return what was refused by either; while Redis is away, by PostgreSQL."""
        found: list[RefusalCount] | None = None
        if self._switch.deciding(at=at) is not Deciding.POSTGRESQL:
            found = self._try(lambda: self._redis.refusals(customer_id=customer_id, at=at), at)
        counted: Counter[tuple[int, int, Refusal]] = Counter()
        for one in [*(found or ()), *self._postgres.refusals(customer_id=customer_id, at=at)]:
            counted[one.customer_id, one.service_id, one.refusal] += one.calls
        return [RefusalCount(*whose, calls) for whose, calls in sorted(counted.items())]

    def _narrowed(
        self, asked: Sequence[RequestedCall], statuses: Sequence[LimitStatus], at: dt.datetime | None
    ) -> list[LimitStatus]:
        """Ask Redis for what PostgreSQL admitted; what it refuses is given back there, and refused."""
        places = [place for place, status in enumerate(statuses) if status.admitted]
        also = self._redis.admit([asked[place] for place in places], at=at) if places else []
        said = dict(zip(places, also, strict=True))
        refused = {_id(asked[place]) for place, status in said.items() if not status.admitted}
        refused -= {_id(asked[place]) for place, status in said.items() if status.admitted}
        if refused:
            self._postgres.settle([SettledCall(*call, None) for call in sorted(refused)], at=at)
        return [
            said[place] if place in said and not said[place].admitted else status
            for place, status in enumerate(statuses)
        ]

    def _try(self, in_redis: Callable[[], Answer], at: dt.datetime | None) -> Answer | None:
        """Return what Redis answers; None, and PostgreSQL decides from now on, if it is away."""
        try:
            return in_redis()
        except StoreUnavailable as error:
            self._switch.fall_back(error, at=at)
            return None


def _id(call: RequestedCall) -> tuple[int, str]:
    return call.customer_id, call.call_id
