"""The windows of call limits in Redis (or Valkey): one Lua script a trip, which answers for many calls.

What is asked and answered is one text in MessagePack: as arguments and values of their own, they would cost
more than all the rest.

Everything there ends by itself: windows after two minutes, calls after KEPT_FOR, refusals after a day.

Whatever goes wrong with the server raises StoreAway, soon: nobody may take a store that does not answer for
one without limits.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from usage.windows import (
    HOURS_OF_REFUSALS,
    KEPT_FOR,
    AskedCall,
    CountedCalls,
    Refusal,
    Refused,
    SettledCall,
    Standing,
    State,
    StoreAway,
    Use,
    bounded,
    second_of,
)

_SCRIPT = Path(__file__).with_name("call_windows.lua").read_text(encoding="utf-8")
_PREFIX = "sensenova:limits:"
MOST_A_TRIP = 500


class RedisWindows:
    """Keeps the windows in the Redis at this address."""

    def __init__(self, url: str, *, timeout: dt.timedelta) -> None:
        seconds = timeout.total_seconds()
        self._redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=seconds,
            socket_timeout=seconds,
            retry=Retry(NoBackoff(), 0),  # what was sent may have been done: not everything may be done twice
        )
        self._sha = self._redis.register_script(_SCRIPT).sha

    def admit(self, asked: Sequence[AskedCall], *, at: dt.datetime | None = None) -> list[Standing]:
        """Admit each call that is within its limits, once for each id; one that is refused takes nothing."""
        sent = [
            (
                call.customer_id,
                call.service_id,
                call.call_id,
                bounded(call.estimated_tokens),
                call.limits.rpm,
                call.limits.tpm,
            )
            for call in asked
        ]
        return [_standing(*answer) for answer in self._run("admit", sent, at)]

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[State]:
        """Settle or release each call that is held, in the second in which it counts; say what it was."""
        sent = [
            (
                call.call_id,
                None if call.used_tokens is None else bounded(call.used_tokens),
                call.of_customers,
                call.service_id,
            )
            for call in calls
        ]
        return [State(state) for state in self._run("settle", sent, at)]

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count calls that were not admitted in the present second."""
        sent = [(call.customer_id, call.service_id, call.calls, bounded(call.tokens)) for call in calls]
        self._run("count", sent, at)

    def look(self, whose: Sequence[tuple[int, int]], *, at: dt.datetime | None = None) -> list[Use]:
        """Return what counts now for each customer and service, and change nothing."""
        return [Use(*answer) for answer in self._run("look", whose, at)]

    def refusals(self, *, customer_id: int | None = None, at: dt.datetime | None = None) -> list[Refused]:
        """Return what was refused within the last day, to this customer or to all."""
        (found,) = self._run("refusals", [(HOURS_OF_REFUSALS,)], at)
        counted: Counter[tuple[int, int, Refusal]] = Counter()
        for name, calls in zip(found[::2], found[1::2], strict=True):
            customer, service, refusal = name.split(":")
            counted[int(customer), int(service), Refusal(refusal)] += int(calls)
        return [
            Refused(*whose, calls)
            for whose, calls in sorted(counted.items())
            if customer_id is None or customer_id == whose[0]
        ]

    def _run(self, deed: str, sent: Sequence[tuple[Any, ...]], at: dt.datetime | None) -> list[Any]:
        """Run the script for these and return its answers; for very many in several trips.

        The server does nothing else meanwhile, so a trip has to be short.
        """
        answers: list[Any] = []
        for first in range(0, len(sent), MOST_A_TRIP):
            trip = {
                "deed": deed,
                "second": second_of(at),
                "kept_for": KEPT_FOR // dt.timedelta(seconds=1),
                "calls": sent[first : first + MOST_A_TRIP],
            }
            answers += msgspec.msgpack.decode(self._trip(msgspec.msgpack.encode(trip)))
        return answers

    def _trip(self, sent: bytes) -> Any:
        try:
            try:
                return self._redis.evalsha(self._sha, 1, _PREFIX, sent)
            except NoScriptError:  # the server has just started
                self._redis.script_load(_SCRIPT)
                return self._redis.evalsha(self._sha, 1, _PREFIX, sent)
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error


def _standing(refusal: str, *answer: Any) -> Standing:
    # Lua's lists cannot hold nothing: false stands for it.
    said: list[Any] = [None if one is False else one for one in answer]
    return Standing(Refusal(refusal), *said)
