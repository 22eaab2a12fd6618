"""Which store keeps the windows of call limits, and what happens while Redis is unavailable.

Without `REDIS_URL` it is PostgreSQL. With it, `CALL_LIMITS_WITHOUT_REDIS` decides what happens while Redis is
unavailable: "refuse" admits no call; "postgresql" fails over to PostgreSQL, whose windows start empty, and
back as described in `failover.py`. No setting makes calls unlimited.
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
    HOURS_OF_REFUSALS,
    CallKey,
    CallState,
    CallWindows,
    CountedCalls,
    LimitStatus,
    Refusal,
    RefusalCount,
    ReportedCall,
    RequestedCall,
    SettledCall,
    StoreUnavailable,
    Use,
    WindowId,
)

REFUSE = "refuse"
POSTGRESQL = "postgresql"
WITHOUT_REDIS = (REFUSE, POSTGRESQL)

Answer = TypeVar("Answer")


def call_windows() -> CallWindows:
    """Return the store that the settings choose; raise StoreUnavailable if REDIS_URL is not valid."""
    if not settings.REDIS_URL:
        return PostgresWindows()
    if settings.CALL_LIMITS_WITHOUT_REDIS == POSTGRESQL:
        return _redis_or_postgres(settings.REDIS_URL, settings.REDIS_TIMEOUT)
    return _in_redis(settings.REDIS_URL, settings.REDIS_TIMEOUT)


def is_address(url: str) -> bool:
    """Return whether this is a valid address of a Redis; nothing is sent to it."""
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, redis.RedisError):  # no URL, an unknown option, or a bad value
        return False
    return True


@cache  # it keeps its connections
def _in_redis(url: str, timeout: dt.timedelta) -> RedisWindows:
    if not is_address(url):
        raise StoreUnavailable("REDIS_URL cannot be read")
    return RedisWindows(url, timeout=timeout)


@cache  # it caches for a second which store decides
def _redis_or_postgres(url: str, timeout: dt.timedelta) -> "RedisOrPostgres":
    return RedisOrPostgres(_in_redis(url, timeout), PostgresWindows(), Switch())


class RedisOrPostgres:
    """Keeps the windows in Redis, and in PostgreSQL while Redis is unavailable and for some time after."""

    def __init__(self, in_redis: CallWindows, in_postgres: CallWindows, switch: Switch) -> None:
        self._redis = in_redis
        self._postgres = in_postgres
        self._switch = switch

    def admit(self, calls: Sequence[RequestedCall], *, at: dt.datetime | None = None) -> list[LimitStatus]:
        """Admit what the deciding store admits, or, where both decide, what both admit."""
        deciding = self._switch.deciding(at=at)
        if deciding is Deciding.REDIS:
            statuses = self._try(lambda: self._redis.admit(calls, at=at), at)
            return self._postgres.admit(calls, at=at) if statuses is None else statuses
        statuses = self._postgres.admit(calls, at=at)
        if deciding is Deciding.POSTGRESQL:
            return statuses
        # If Redis fails again, PostgreSQL knows all calls that count.
        return self._try(lambda: self._narrowed(calls, statuses, at), at) or statuses

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[CallState]:
        """Settle each call in the store that holds it; raise StoreUnavailable if a release may be Redis's."""
        deciding = self._switch.deciding(at=at)
        in_redis = None
        if deciding is not Deciding.POSTGRESQL:
            in_redis = self._try(lambda: self._redis.settle(calls, at=at), at)
        states = [CallState.UNKNOWN] * len(calls) if in_redis is None else in_redis
        # Also calls unknown to Redis: PostgreSQL may have admitted them.
        places = [
            n for n, state in enumerate(states) if state is CallState.UNKNOWN or deciding is Deciding.BOTH
        ]
        if places:
            others = self._postgres.settle([calls[place] for place in places], at=at)
            for place, state in zip(places, others, strict=True):
                states[place] = state if states[place] is CallState.UNKNOWN else states[place]
        missed = (call for call, state in zip(calls, states, strict=True) if state is CallState.UNKNOWN)
        if in_redis is None and any(call.used_tokens is None for call in missed):
            raise StoreUnavailable("Redis is unavailable, and may hold a call that is to be released.")
        return states

    def mark_reported(self, calls: Sequence[ReportedCall], *, at: dt.datetime | None = None) -> set[CallKey]:
        """End the calls in each store that decides; return those that neither had as ended."""
        deciding = self._switch.deciding(at=at)
        ended = None
        if deciding is not Deciding.POSTGRESQL:
            ended = self._try(lambda: self._redis.mark_reported(calls, at=at), at)
        if deciding is Deciding.REDIS and ended is not None:
            return ended
        in_postgres = self._postgres.mark_reported(calls, at=at)
        return in_postgres if ended is None else in_postgres & ended

    def customers_of(self, call_id: str, *, at: dt.datetime | None = None) -> set[int]:
        """Return the customers in either store; raise StoreUnavailable if only Redis may know one."""
        in_redis = None
        if self._switch.deciding(at=at) is not Deciding.POSTGRESQL:
            in_redis = self._try(lambda: self._redis.customers_of(call_id, at=at), at)
        found = self._postgres.customers_of(call_id, at=at)
        if in_redis is None and not found:
            raise StoreUnavailable("Redis is unavailable, and may hold a call of this id.")
        return found | (in_redis or set())

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count in each store that decides."""
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

    def look(self, windows: Sequence[WindowId], *, at: dt.datetime | None = None) -> list[Use]:
        """Return the usage in Redis, or, while Redis does not decide alone, in PostgreSQL."""
        uses = None
        if self._switch.deciding(at=at) is Deciding.REDIS:
            uses = self._try(lambda: self._redis.look(windows, at=at), at)
        return self._postgres.look(windows, at=at) if uses is None else uses

    def refusals(
        self,
        *,
        customer_id: int | None = None,
        hours: int = HOURS_OF_REFUSALS,
        at: dt.datetime | None = None,
    ) -> list[RefusalCount]:
        """Return the refusals of both stores; of PostgreSQL only while Redis is unavailable."""
        found: list[RefusalCount] | None = None
        if self._switch.deciding(at=at) is not Deciding.POSTGRESQL:
            found = self._try(lambda: self._redis.refusals(customer_id=customer_id, hours=hours, at=at), at)
        counted: Counter[tuple[int, int, Refusal]] = Counter()
        for one in [
            *(found or ()),
            *self._postgres.refusals(customer_id=customer_id, hours=hours, at=at),
        ]:
            counted[one.customer_id, one.service_id, one.refusal] += one.calls
        return [RefusalCount(*key, calls) for key, calls in sorted(counted.items())]

    def _narrowed(
        self, calls: Sequence[RequestedCall], statuses: Sequence[LimitStatus], at: dt.datetime | None
    ) -> list[LimitStatus]:
        """Request from Redis what PostgreSQL admitted; release in PostgreSQL what Redis refuses."""
        places = [place for place, status in enumerate(statuses) if status.admitted]
        by_redis = self._redis.admit([calls[place] for place in places], at=at) if places else []
        found = dict(zip(places, by_redis, strict=True))
        refused = {_id(calls[place]) for place, status in found.items() if not status.admitted}
        refused -= {_id(calls[place]) for place, status in found.items() if status.admitted}
        if refused:
            self._postgres.settle([SettledCall(*call, None) for call in sorted(refused)], at=at)
        return [
            found[place] if place in found and not found[place].admitted else status
            for place, status in enumerate(statuses)
        ]

    def _try(self, in_redis: Callable[[], Answer], at: dt.datetime | None) -> Answer | None:
        """Return what Redis answers; if it is unavailable, fail over to PostgreSQL and return None."""
        try:
            return in_redis()
        except StoreUnavailable as error:
            self._switch.fall_back(error, at=at)
            return None


def _id(call: RequestedCall) -> tuple[int, str]:
    return call.customer_id, call.call_id
