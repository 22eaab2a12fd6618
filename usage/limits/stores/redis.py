"""The windows of call limits in Redis (or Valkey): one Lua script for each batch of calls.

Request and answer are each one MessagePack text: separate arguments and values would cost more than all the
rest.

All keys expire: windows after two minutes, calls after CALL_TTL, refusals after a day. Only
the key that names the server's process stays. After a restart, a failover or FLUSHALL the process is another
or the key is gone; calls may be lost then, and nothing is admitted for a window (WindowsLost).

Any failure of the server raises StoreUnavailable within the timeout: a store that does not answer must not be
mistaken for one without limits. So does a server that may evict keys when its memory is full: an evicted
window would lift a limit without a trace.
"""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from usage.limits.stores.clock import StoreClock
from usage.limits.stores.windows import (
    CALL_TTL,
    CALLS_PER_ROUND_TRIP,
    HOURS_OF_REFUSALS,
    CallKey,
    CallState,
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
    bounded,
    second_of,
    windows_lost,
)

_SCRIPT = Path(__file__).with_name("redis.lua").read_text(encoding="utf-8")
_PREFIX = "sensenova:limits:"
# How long the answer of a server that does not evict is trusted.
_TRUSTED_FOR = dt.timedelta(minutes=1)
_NANOSECONDS = 1_000_000_000

logger = logging.getLogger(__name__)


class RedisWindows:
    """Keeps the windows in the Redis at this address."""

    def __init__(self, url: str, *, timeout: dt.timedelta, clock: StoreClock | None = None) -> None:
        seconds = timeout.total_seconds()
        self._redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=seconds,
            socket_timeout=seconds,
            retry=Retry(NoBackoff(), 0),  # a lost answer may hide a done request, and not all may be repeated
        )
        self._sha = self._redis.register_script(_SCRIPT).sha
        self._clock = clock
        self._own_clock = StoreClock()
        self._trusted_until = 0  # by the monotonic clock, in nanoseconds
        self._has_warned = False

    def admit(self, calls: Sequence[RequestedCall], *, at: dt.datetime | None = None) -> list[LimitStatus]:
        """Admit each call that is within its limits, once for each id; a refused call consumes nothing."""
        sent = [
            (
                call.customer_id,
                call.service_id,
                call.call_id,
                bounded(call.estimated_tokens),
                call.limits.rpm,
                call.limits.tpm,
            )
            for call in calls
        ]
        return [_limit_status(*answer) for answer in self._run("admit", sent, at)]

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[CallState]:
        """Settle or release each held call, in the second in which it counts; return the states before."""
        sent = [
            (
                call.customer_id,
                call.call_id,
                None if call.used_tokens is None else bounded(call.used_tokens),
                call.service_id,
            )
            for call in calls
        ]
        return [CallState(state) for state in self._run("settle", sent, at)]

    def mark_reported(self, calls: Sequence[ReportedCall], *, at: dt.datetime | None = None) -> set[CallKey]:
        """End calls that were not admitted, or were released; return those that had not ended before."""
        sent = [(call.customer_id, call.service_id, call.call_id) for call in calls]
        ended = self._run("mark_reported", sent, at)
        return {call.key for call, is_first in zip(calls, ended, strict=True) if is_first}

    def customers_of(self, call_id: str, *, at: dt.datetime | None = None) -> set[int]:
        """Return the ids of the customers for which a call of this id was admitted."""
        (found,) = self._run("customers_of", [(call_id,)], at)
        return {int(customer) for customer in found}

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count calls that were not admitted in the present second."""
        sent = [(call.customer_id, call.service_id, call.calls, bounded(call.tokens)) for call in calls]
        self._run("count", sent, at)

    def look(self, windows: Sequence[WindowId], *, at: dt.datetime | None = None) -> list[Use]:
        """Return the usage of each window now, without changing it."""
        return [Use(*answer) for answer in self._run("look", windows, at)]

    def refusals(
        self,
        *,
        customer_id: int | None = None,
        hours: int = HOURS_OF_REFUSALS,
        at: dt.datetime | None = None,
    ) -> list[RefusalCount]:
        """Return how many calls of this customer, or of all, were refused within these hours."""
        (found,) = self._run("refusals", [(hours,)], at)
        counted: Counter[tuple[int, int, Refusal]] = Counter()
        for name, calls in zip(found[::2], found[1::2], strict=True):
            customer, service, refusal = name.split(":")
            counted[int(customer), int(service), Refusal(refusal)] += int(calls)
        return [
            RefusalCount(*key, calls)
            for key, calls in sorted(counted.items())
            if customer_id is None or customer_id == key[0]
        ]

    def _run(self, operation: str, items: Sequence[tuple[Any, ...]], at: dt.datetime | None) -> list[Any]:
        """Run an operation of the script for these items and return its answers, in batches.

        The server runs nothing else during a script, so a batch has to be small.
        """
        answers: list[Any] = []
        for first in range(0, len(items), CALLS_PER_ROUND_TRIP):
            # The instant of a test has nothing to do with this process's clock.
            clock = self._clock or (self._own_clock if at is None else StoreClock())
            sent_at = clock.monotonic()
            batch = {
                "operation": operation,
                "second": second_of(at),
                "latest": clock.latest(sent_at=sent_at),
                "call_ttl": CALL_TTL // dt.timedelta(seconds=1),
                "calls": items[first : first + CALLS_PER_ROUND_TRIP],
            }
            seconds_held, present, more = msgspec.msgpack.decode(
                self._round_trip(msgspec.msgpack.encode(batch))
            )
            clock.observe(int(present), sent_at=sent_at)
            if seconds_held:
                raise windows_lost(int(seconds_held))
            answers += more
        return answers

    def _round_trip(self, sent: bytes) -> Any:
        try:
            if time.monotonic_ns() >= self._trusted_until:
                self._require_no_eviction()
            try:
                return self._redis.evalsha(self._sha, 1, _PREFIX, sent)
            except NoScriptError:  # the server has just started
                self._require_no_eviction()
                self._redis.script_load(_SCRIPT)
                return self._redis.evalsha(self._sha, 1, _PREFIX, sent)
        except redis.RedisError as error:
            self._trusted_until = 0  # another server may answer next
            raise StoreUnavailable(str(error)) from error

    def _require_no_eviction(self) -> None:
        """Raise StoreUnavailable if the server may evict keys; otherwise trust it for a minute."""
        self._trusted_until = 0
        memory = self._memory()
        if memory is None and not self._has_warned:
            self._has_warned = True
            logger.warning("Redis does not report its maxmemory-policy; call limits need noeviction.")
        limit, policy = memory or ("0", "")
        if limit != "0" and policy != "noeviction":
            raise StoreUnavailable(
                f"Redis may evict windows of call limits: its maxmemory-policy is {policy}, not noeviction."
            )
        self._trusted_until = time.monotonic_ns() + _TRUSTED_FOR // dt.timedelta(seconds=1) * _NANOSECONDS

    def _memory(self) -> tuple[str, str] | None:
        """Return maxmemory (0: no limit) and maxmemory-policy; None if the server reports neither."""
        sources: tuple[Callable[[], Any], ...] = (
            lambda: self._redis.config_get("maxmemory*"),
            lambda: self._redis.info("memory"),
        )
        for read in sources:
            try:
                settings = {name.replace("_", "-"): str(value) for name, value in read().items()}
                return settings["maxmemory"], settings["maxmemory-policy"]
            except (ResponseError, KeyError):  # forbidden or hidden
                continue
        return None


def _limit_status(refusal: str, *answer: Any) -> LimitStatus:
    # A nil would end Lua's list, so the script sends false instead.
    values: list[Any] = [None if value is False else value for value in answer]
    return LimitStatus(Refusal(refusal), *values)
