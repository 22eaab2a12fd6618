"""What usage that was stored means for the windows of call limits: it settles an admitted call, or counts.

Told after the commit, and by default by a thread of its own, so that no report waits for it; a few times a
second, and less often where it takes long, so that it costs little however much is reported. What is lost
when a process dies counts as it was estimated until it leaves the window. Usage of calls that are over for
more than a window changes nothing.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from typing import NamedTuple

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection

from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import (
    WINDOW,
    CallState,
    CallWindows,
    CountedCalls,
    SettledCall,
    StoreUnavailable,
)

PACE = dt.timedelta(milliseconds=200)
TIMES_AS_LONG = 30  # it pauses so many times as long as it took
LONGEST_PAUSE = dt.timedelta(seconds=2)
AT_THE_END = dt.timedelta(milliseconds=500)  # a web worker is killed after three seconds
MOST_WAITING = 100_000  # calls to be settled; then who reports settles itself

logger = logging.getLogger(__name__)


class UsedCall(NamedTuple):
    """What the limits have to know of a record that was stored: `tokens` are those that the TPM counts."""

    customer_id: int
    service_id: int
    call_id: str | None
    tokens: int
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AdmittedUsage:
    """A call that names its admission; `is_recent` unless it is over for more than a window."""

    call_id: str
    customer_id: int
    service_id: int
    tokens: int
    is_recent: bool


@dataclass
class ReportedCalls:
    """Calls that were made: those that were admitted; of others how many, and their tokens, by whose."""

    admitted: list[AdmittedUsage] = field(default_factory=list)
    others: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def add(self, whose: tuple[int, int], calls: int, tokens: int) -> None:
        """Count calls that were not admitted."""
        before = self.others.get(whose, (0, 0))
        self.others[whose] = before[0] + calls, before[1] + tokens

    def take(self, other: "ReportedCalls") -> None:
        """Count what the other counts as well."""
        self.admitted += other.admitted
        for whose, counted in other.others.items():
            self.add(whose, *counted)


def settle_stored(*, calls: Iterable[UsedCall], now: dt.datetime) -> None:
    """Let these records, which are new and committed, settle or count in the windows, soon."""
    happened = _happened(calls, since=now - WINDOW)
    if not (happened.admitted or happened.others):
        return
    if not settings.SETTLE_CALLS_BESIDE or not _BACKGROUND_SETTLER.take(happened):
        _settle_or_log(happened)


def wait_until_settled() -> None:
    """Return when all that this process has stored is settled."""
    _BACKGROUND_SETTLER.wait()


def settle(happened: ReportedCalls, *, windows: CallWindows) -> None:
    """Settle the admitted calls to what they used, and count what was not admitted."""
    settled = [
        SettledCall(row.customer_id, row.call_id, row.tokens, row.service_id) for row in happened.admitted
    ]
    states = windows.settle(settled) if settled else []
    for row, state in zip(happened.admitted, states, strict=True):
        if state is not CallState.HELD and row.is_recent:
            # A call in several records was admitted once; what was released has been made after all.
            calls = 0 if state is CallState.SETTLED else 1
            happened.add((row.customer_id, row.service_id), calls, row.tokens)
    if happened.others:
        windows.count([CountedCalls(*whose, *counted) for whose, counted in happened.others.items()])


def _happened(calls: Iterable[UsedCall], *, since: dt.datetime) -> ReportedCalls:
    happened = ReportedCalls()
    for call in calls:
        whose, is_recent = (call.customer_id, call.service_id), call.occurred_at > since
        if call.call_id is not None:
            happened.admitted.append(AdmittedUsage(call.call_id, *whose, call.tokens, is_recent))
        elif is_recent:
            happened.add(whose, 1, call.tokens)
    return happened


def _settle_or_log(happened: ReportedCalls) -> None:
    try:
        settle(happened, windows=call_windows())
    except (StoreUnavailable, DatabaseFailure) as error:
        # The records are stored and will be billed. What their calls hold stays as it was estimated.
        logger.warning("Calls of reported usage were not settled: %s", error)


class _BackgroundSettler:
    """A thread that settles what others have stored; begun when first needed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: ReportedCalls | None = None
        self._is_busy = False
        self._thread: threading.Thread | None = None
        self._awaited = threading.Event()  # somebody waits: no more pauses

    def take(self, happened: ReportedCalls) -> bool:
        """Settle this soon; False where too much waits already."""
        with self._changed:
            # Also after a fork, which copies no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="settling", daemon=True)
                self._thread.start()
            waiting = self._waiting or ReportedCalls()
            if len(waiting.admitted) + len(happened.admitted) > MOST_WAITING:
                return False
            waiting.take(happened)
            self._waiting = waiting
            self._changed.notify_all()
        return True

    def wait(self, at_most: dt.timedelta | None = None) -> None:
        """Return when all that was taken is settled, or so much later."""
        seconds = at_most.total_seconds() if at_most else None
        self._awaited.set()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None and not self._is_busy, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting is not None)
                happened, self._waiting, self._is_busy = self._waiting, None, True
            began = time.monotonic_ns()
            _settle_or_log(happened or ReportedCalls())
            connection.close()
            took = dt.timedelta(microseconds=(time.monotonic_ns() - began) // 1000)
            self._awaited.wait(min(max(PACE, took * TIMES_AS_LONG), LONGEST_PAUSE).total_seconds())
            self._awaited.clear()


_BACKGROUND_SETTLER = _BackgroundSettler()
# A process that ends as it should settles what it has taken; web workers end by multiprocessing's own way.
Finalize(None, _BACKGROUND_SETTLER.wait, (AT_THE_END,), exitpriority=10)
