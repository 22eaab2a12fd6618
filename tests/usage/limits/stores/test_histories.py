"""Random arrivals, by a clock that is driven by hand, against both stores and a plain list.

At the moment of each admission, no 60 seconds that hold it, wherever they start, hold more calls than the RPM
or more tokens than the TPM. What counts are calls that were admitted, as estimated or settled by then, and
calls that happened without. Where a call is refused, it really does not fit into the last 61 whole seconds.
"""

import datetime as dt
import itertools

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.usage.limits.stores.windows_by_list import SECOND, ListedWindow
from usage.limits.stores.windows import (
    EPOCH,
    CallLimits,
    CallState,
    CountedCalls,
    Refusal,
    RequestedCall,
    SettledCall,
)

pytestmark = pytest.mark.django_db

BEGINNING = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
# Nobody else's, and no two histories': the windows need no customer to exist.
_FRESH = itertools.count(1_000_000)

# Bursts, calls some seconds apart, pauses after which the window is empty; sometimes the clock goes back.
gaps = st.one_of(
    st.just(0),
    st.integers(0, 1_000_000),
    st.integers(0, 20_000_000),
    st.integers(55_000_000, 65_000_000),
    st.integers(0, 130_000_000),
    st.integers(-20_000_000, 0),
    st.integers(-200_000_000, 0),
)
limits = st.builds(CallLimits, rpm=st.integers(0, 6), tpm=st.one_of(st.none(), st.integers(1, 20)))
# Of the ids that were asked for, the one that is so many back; asked for again mostly with the same estimate.
back = st.integers(0, 5)
asks = st.tuples(st.just("ask"), st.just(None), st.integers(0, 21), st.booleans())
retries = st.tuples(st.just("ask"), back, st.one_of(st.none(), st.none(), st.integers(0, 21)), st.booleans())
used = st.one_of(st.none(), st.integers(0, 30))
settles = st.tuples(st.just("settle"), back, used, st.none())
counts = st.tuples(st.just("count"), st.integers(0, 3), st.integers(0, 10), st.none())
changes = st.tuples(st.just("limits"), limits, st.none(), st.none())
deeds = st.one_of(asks, asks, retries, retries, settles, counts, changes)
steps = st.lists(st.tuples(gaps, deeds), min_size=10, max_size=60)


class History:
    """Does the same to a store and to a plain list, and compares what they say."""

    def __init__(self, windows, first_limits):
        self.windows = windows
        self.limits = first_limits
        self.customer = next(_FRESH)
        self.clock = BEGINNING
        self.listed = ListedWindow()
        self.estimates: dict[int, int] = {}  # of each id, the one that was admitted last

    def go(self, gap):
        """Let the clock go on or back."""
        self.clock += gap * MICROSECOND

    def ask(self, back, tokens, waits):
        """Ask for a call; if it is refused and waits, ask again just before it passes, and then."""
        number = self.number(back)
        tokens = self.estimates.get(number, 0) if tokens is None else tokens
        status = self.ask_once(number, tokens)
        if status.admitted or number not in self.estimates:
            self.estimates[number] = tokens
        if waits and status.passes_at is not None:
            self.go_to(EPOCH + status.passes_at * SECOND - MICROSECOND)
            assert self.ask_once(number, tokens).passes_at == status.passes_at
            self.go_to(EPOCH + status.passes_at * SECOND)
            assert self.ask_once(number, tokens).admitted

    def number(self, back):
        """The number of the id that was asked for so many ids ago, or of a new one."""
        return len(self.estimates) if back is None else max(len(self.estimates) - 1 - back, 0)

    def go_to(self, instant):
        """Let the clock show this instant."""
        self.clock = instant

    def ask_once(self, number, tokens):
        """Ask for a call, and compare the answer with the list's."""
        call_id, listed = f"{self.customer}-{number}", self.listed
        listed.touch(self.clock)
        known = listed.known(call_id, tokens)
        new = known is None
        expected = listed.refusal(tokens, self.limits, second=listed.second) if new else known
        passes_at = listed.passes_at(tokens, self.limits) if expected in (Refusal.RPM, Refusal.TPM) else None
        if expected is Refusal.NONE and new:
            listed.add(calls=1, tokens=tokens, call_id=call_id)
            assert listed.exceeds(self.limits) == []
        (status,) = self.windows.admit(
            [RequestedCall(self.customer, 1, call_id, tokens, self.limits)], at=self.clock
        )
        calls, used = listed.counted(second=listed.second)
        assert (status.refusal, status.second, status.passes_at) == (expected, listed.second, passes_at)
        assert status.present == (self.clock - EPOCH) // SECOND
        assert status.calls_left == max(self.limits.rpm - calls, 0)
        assert status.tokens_left == (None if self.limits.tpm is None else max(self.limits.tpm - used, 0))
        assert status.calls_reset == listed.reset("calls")
        assert status.tokens_reset == listed.reset("tokens")
        return status

    def settle(self, back, tokens, _):
        """Settle a call, or release it; the list says what it was."""
        call_id = f"{self.customer}-{self.number(back)}"
        expected = CallState.UNKNOWN
        if call_id in self.listed.by_id:
            self.listed.touch(self.clock)
            expected = self.listed.settle(call_id, tokens)
        assert self.windows.settle([SettledCall(self.customer, call_id, tokens)], at=self.clock) == [expected]

    def count(self, calls, tokens, _):
        """Let calls happen that nobody asked for."""
        self.listed.touch(self.clock)
        self.listed.add(calls=calls, tokens=tokens)
        self.windows.count([CountedCalls(self.customer, 1, calls, tokens)], at=self.clock)

    def look(self):
        """Compare what counts now."""
        (use,) = self.windows.look([(self.customer, 1)], at=self.clock)
        time, _ = self.listed.time_at(self.clock)
        assert (use.calls, use.tokens) == self.listed.counted(second=(time - EPOCH) // SECOND)


@settings(
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(first_limits=limits, history=steps)
def test_no_60_seconds_hold_more_than_the_limits_and_who_fits_is_admitted(windows, first_limits, history):
    played = History(windows, first_limits)

    for gap, (deed, what, tokens, waits) in history:
        played.go(gap)
        if deed == "limits":
            played.limits = what
        else:
            getattr(played, deed)(what, tokens, waits)
        played.look()
