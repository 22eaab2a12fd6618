"""Reconciles the windows of call limits with stored usage: it settles an admitted call, or counts.

This happens after the commit, by default in a background thread, so that no report waits for it; a few times
a second, and less often where it takes long, so that it costs little however much usage is reported. If a
process dies before settling a call, the call counts with its estimate until it leaves the window. Usage of
calls that ended more than a window ago changes nothing.
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

from sensenova_billing.lib import clock
from usage.limits.budgets import mark_reservations
from usage.limits.entitlements import windows_without_cached_input
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import (
    WINDOW,
    CallState,
    CallWindows,
    CountedCalls,
    ReportedCall,
    SettledCall,
    StoreUnavailable,
    WindowId,
)

PACE = dt.timedelta(milliseconds=200)
TIMES_AS_LONG = 30  # a pause is so many times as long as the work before it
LONGEST_PAUSE = dt.timedelta(seconds=2)
EXIT_TIMEOUT = dt.timedelta(milliseconds=500)  # a web worker is killed after three seconds
MOST_WAITING = 100_000  # calls to be settled; beyond, the reporting thread settles its own

logger = logging.getLogger(__name__)


class UsedCall(NamedTuple):
    """What the call limits need of a stored record: its tokens, and how many of them were cached input."""

    customer_id: int
    service_id: int
    call_id: str | None
    tokens: int
    cached_tokens: int
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AdmittedUsage:
    """Usage of an admitted call; `is_recent` unless the call ended more than a window ago."""

    call_id: str
    customer_id: int
    service_id: int
    tokens: int
    is_recent: bool
    cached_tokens: int = 0

    @property
    def window(self) -> WindowId:
        """The window in which it counts."""
        return self.customer_id, self.service_id


@dataclass
class ReportedCalls:
    """Calls that were made: the admitted ones, and by window the number and tokens of the others.

    `cached` are those of the others' tokens that were cached input.
    """

    admitted: list[AdmittedUsage] = field(default_factory=list)
    others: dict[WindowId, tuple[int, int]] = field(default_factory=dict)
    cached: dict[WindowId, int] = field(default_factory=dict)

    def add(self, window: WindowId, calls: int, tokens: int, cached_tokens: int = 0) -> None:
        """Count calls that were not admitted."""
        before = self.others.get(window, (0, 0))
        self.others[window] = before[0] + calls, before[1] + tokens
        if cached_tokens:
            self.cached[window] = self.cached.get(window, 0) + cached_tokens

    def add_all(self, other: "ReportedCalls") -> None:
        """Add all calls of the other."""
        self.admitted += other.admitted
        for window, counted in other.others.items():
            self.add(window, *counted, other.cached.get(window, 0))


def settle_stored(*, calls: Iterable[UsedCall], now: dt.datetime) -> None:
    """Settle or count the calls of these new, committed records in the windows, soon."""
    reported = _reported_calls(calls, since=now - WINDOW)
    if not (reported.admitted or reported.others):
        return
    if not settings.SETTLE_CALLS_BESIDE or not _BACKGROUND_SETTLER.submit(reported):
        _settle_or_log(reported)


def wait_until_settled() -> None:
    """Return when all records stored by this process are settled."""
    _BACKGROUND_SETTLER.wait()


def settle(reported: ReportedCalls, *, windows: CallWindows) -> None:
    """Settle the admitted calls to what they used, and count the others."""
    mark_reservations({(usage.customer_id, usage.call_id) for usage in reported.admitted})
    excluding = _excluding_cached_input(reported)
    settled = [
        SettledCall(
            usage.customer_id,
            usage.call_id,
            usage.tokens - (usage.cached_tokens if usage.window in excluding else 0),
            usage.service_id,
        )
        for usage in reported.admitted
    ]
    states = windows.settle(settled) if settled else []
    uncounted = [
        usage
        for usage, state in zip(reported.admitted, states, strict=True)
        if state is not CallState.HELD and usage.is_recent
    ]
    # A call in several records counts once, whoever stores them; a released call was made after all.
    calls = [ReportedCall(*usage.window, usage.call_id) for usage in uncounted]
    first = windows.mark_reported(calls) if calls else set()
    for call, usage in zip(calls, uncounted, strict=True):
        reported.add(usage.window, int(call.key in first), usage.tokens, usage.cached_tokens)
        first.discard(call.key)
    if reported.others:
        windows.count(
            [
                CountedCalls(
                    *window, calls, tokens - (reported.cached.get(window, 0) if window in excluding else 0)
                )
                for window, (calls, tokens) in reported.others.items()
            ]
        )


def _excluding_cached_input(reported: ReportedCalls) -> set[WindowId]:
    """Return the windows of calls with cached input whose call specification does not count it."""
    windows = {usage.window for usage in reported.admitted if usage.cached_tokens} | reported.cached.keys()
    return windows_without_cached_input(windows, now=clock.now()) if windows else set()


def _reported_calls(calls: Iterable[UsedCall], *, since: dt.datetime) -> ReportedCalls:
    reported = ReportedCalls()
    for call in calls:
        window, is_recent = (call.customer_id, call.service_id), call.occurred_at > since
        if call.call_id is not None:
            reported.admitted.append(
                AdmittedUsage(call.call_id, *window, call.tokens, is_recent, call.cached_tokens)
            )
        elif is_recent:
            reported.add(window, 1, call.tokens, call.cached_tokens)
    return reported


def _settle_or_log(reported: ReportedCalls) -> None:
    try:
        settle(reported, windows=call_windows())
    except (StoreUnavailable, DatabaseFailure) as error:
        # The records are stored and will be billed. Their calls go on counting as estimated.
        logger.warning("Calls of reported usage were not settled: %s", error)


class _BackgroundSettler:
    """A thread that settles reported calls; started when first needed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: ReportedCalls | None = None
        self._is_busy = False
        self._thread: threading.Thread | None = None
        self._awaited = threading.Event()  # set while a caller waits: no more pauses

    def submit(self, reported: ReportedCalls) -> bool:
        """Settle these calls soon; return False if too many wait already."""
        with self._changed:
            # Also after a fork, which copies no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="settling", daemon=True)
                self._thread.start()
            waiting = self._waiting or ReportedCalls()
            if len(waiting.admitted) + len(reported.admitted) > MOST_WAITING:
                return False
            waiting.add_all(reported)
            self._waiting = waiting
            self._changed.notify_all()
        return True

    def wait(self, timeout: dt.timedelta | None = None) -> None:
        """Return when all submitted calls are settled, or at the timeout."""
        seconds = timeout.total_seconds() if timeout else None
        self._awaited.set()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None and not self._is_busy, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting is not None)
                reported, self._waiting, self._is_busy = self._waiting, None, True
            began = time.monotonic_ns()
            _settle_or_log(reported or ReportedCalls())
            connection.close()
            took = dt.timedelta(microseconds=(time.monotonic_ns() - began) // 1000)
            self._awaited.wait(min(max(PACE, took * TIMES_AS_LONG), LONGEST_PAUSE).total_seconds())
            self._awaited.clear()


_BACKGROUND_SETTLER = _BackgroundSettler()
# A process that exits cleanly settles what waits; web workers exit through multiprocessing's finalizers.
Finalize(None, _BACKGROUND_SETTLER.wait, (EXIT_TIMEOUT,), exitpriority=10)
