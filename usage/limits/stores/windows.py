"""Call limits: in no 60 seconds, wherever they start, more calls than the RPM or more tokens than the TPM.

Two stores keep this promise in the same way (docs/call-limits.md): `postgres.py` and `redis.py`. Each takes
many calls in one round trip. Seconds are whole Unix seconds by the clock of the store, because that is one
clock for all hosts and it is read under the lock of the window. So no "now" is passed in; tests replace that
clock by `at`.
"""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from usage.bounds import MOST_TOKENS_COUNTED, PLACES_IN_A_WINDOW

logger = logging.getLogger(__name__)

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
WINDOW = dt.timedelta(seconds=PLACES_IN_A_WINDOW)
WindowId = tuple[int, int]  # of a customer and a service
CallKey = tuple[int, str]  # a customer and the call's id
# How long a call can be settled, released or requested again; longer than any call takes.
CALL_TTL = dt.timedelta(hours=1)
# Other requests for the same windows, or for Redis, wait during a round trip.
CALLS_PER_ROUND_TRIP = 500
# Refusals are counted by the hour; the last day is the present hour and so many before it.
HOURS_OF_REFUSALS = 24


class Refusal(StrEnum):
    """Why a call is not admitted."""

    NONE = ""
    RPM = "rpm_exhausted"
    TPM = "tpm_exhausted"
    NEVER = "never"  # more tokens than the TPM, or no calls at all
    OTHER_CALL = (
        "other_call"  # the id belongs to another call of this customer: of another service or estimate
    )
    ENDED = "ended"  # the usage of the call of this id was reported


class CallState(StrEnum):
    """What became of an admitted call."""

    UNKNOWN = ""
    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"
    ELSEWHERE = "elsewhere"  # held for another service than the one that was used; it is released now


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of one customer and service for any 60 seconds; no TPM may be stated."""

    rpm: int
    tpm: int | None


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A call to be admitted."""

    customer_id: int
    service_id: int
    call_id: str
    estimated_tokens: int
    limits: CallLimits


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """The window of a customer and service after a requested call, and whether the call was admitted.

    `second` is the newest of the window; `present` is earlier where the store's clock was set back.
    """

    refusal: Refusal
    second: int
    present: int
    calls_left: int
    tokens_left: int | None
    calls_reset: int  # the second in which all calls are available again, if none is added
    tokens_reset: int
    passes_at: int | None  # the first second in which the same call would be admitted, if none is added

    @property
    def admitted(self) -> bool:
        """Whether the call may be made."""
        return self.refusal is Refusal.NONE


@dataclass(frozen=True, slots=True)
class SettledCall:
    """What an admitted call of a customer used; None releases the call, because it was not made.

    A reservation for a service other than `service_id` is released.
    """

    customer_id: int
    call_id: str
    used_tokens: int | None
    service_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedCall:
    """A call of a customer of which usage was reported without an admission."""

    customer_id: int
    service_id: int
    call_id: str

    @property
    def key(self) -> CallKey:
        """What identifies the call."""
        return self.customer_id, self.call_id


@dataclass(frozen=True, slots=True)
class CountedCalls:
    """Calls that were made without admission; they count, and are never refused."""

    customer_id: int
    service_id: int
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Use:
    """What counts in the window of a customer and service in this second."""

    second: int
    calls: int
    tokens: int
    calls_reset: int
    tokens_reset: int


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How many calls of a customer to a service were refused for one reason within a span of hours."""

    customer_id: int
    service_id: int
    refusal: Refusal
    calls: int


class StoreUnavailable(Exception):
    """The store of the windows does not answer, so no call can be checked against its limits."""

    retry_after: int | None = None  # seconds, if known


class WindowsLost(StoreUnavailable):
    """The store may have lost calls of the last 60 seconds, and admits none until those have passed."""

    retry_after: int

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "The store of the call limits may have lost calls of the last 60 seconds, in a restart or by a "
            f"jump of its clock: calls are admitted again in {seconds} seconds."
        )
        self.retry_after = seconds


class CallWindows(Protocol):
    """A store of windows; each method is one round trip and returns results in the order of its arguments."""

    def admit(self, calls: Sequence[RequestedCall], *, at: dt.datetime | None = None) -> list[LimitStatus]:
        """Admit each call that is within its limits, once for each id; a refused call consumes nothing."""

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[CallState]:
        """Settle or release each held call, in the second in which it counts; return the states before."""

    def mark_reported(self, calls: Sequence[ReportedCall], *, at: dt.datetime | None = None) -> set[CallKey]:
        """End calls that were not admitted, or were released; return those that had not ended before."""

    def customers_of(self, call_id: str, *, at: dt.datetime | None = None) -> set[int]:
        """Return the ids of the customers for which a call of this id was admitted."""

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count calls that were not admitted in the present second."""

    def look(self, windows: Sequence[WindowId], *, at: dt.datetime | None = None) -> list[Use]:
        """Return the usage of each window now, without changing it."""

    def refusals(
        self,
        *,
        customer_id: int | None = None,
        hours: int = HOURS_OF_REFUSALS,
        at: dt.datetime | None = None,
    ) -> list[RefusalCount]:
        """Return how many calls of this customer, or of all, were refused within the last day.

        Or within the present hour and so many before it.
        """


def instant_of(second: int) -> dt.datetime:
    """Return the instant at which a second begins."""
    return EPOCH + dt.timedelta(seconds=second)


def second_of(at: dt.datetime | None) -> int | None:
    """Return the whole second that holds this instant."""
    return None if at is None else (at - EPOCH) // dt.timedelta(seconds=1)


def windows_lost(seconds: int) -> WindowsLost:
    """Return the error that refuses all calls for so many seconds; log it where the hold has just begun."""
    lost = WindowsLost(seconds)
    if seconds == PLACES_IN_A_WINDOW:
        logger.warning("%s", lost)
    return lost


def bounded(tokens: int) -> int:
    """Return these tokens, at most so many as can make a difference to a limit."""
    return min(tokens, MOST_TOKENS_COUNTED)
