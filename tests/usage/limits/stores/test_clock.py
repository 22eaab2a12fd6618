"""A store's clock that jumps: no 60 seconds of true time hold more than the limits, for each store in turn.

The monotonic clock of the process shows true time, and the store's clock is anywhere.
"""

import datetime as dt
import itertools

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.redis_server import know_server
from tests.usage.conftest import PATIENT
from usage.limits.stores.clock import StoreClock
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import CallLimits, CallWindows, RequestedCall, WindowsLost

pytestmark = pytest.mark.django_db

BEGINNING = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
CHAT = 1
LIMITS = CallLimits(rpm=3, tpm=None)
_FRESH = itertools.count(7_000_000)


class World:
    """True time, a store whose clock is off by some seconds, and one customer."""

    def __init__(self, store, redis_url):
        self.windows: CallWindows
        if store == "redis":
            know_server(redis_url)
            self.windows = RedisWindows(redis_url, timeout=PATIENT, clock=StoreClock(lambda: self.truth))
        else:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE usage_windowstore SET held_from = 0, held_until = 0")
            self.windows = PostgresWindows(StoreClock(lambda: self.truth))
        self.truth = 0
        self.off_by = 0
        self.customer = next(_FRESH)
        self.ids = itertools.count()
        self.admitted = []

    def ask(self, calls=1):
        """Ask for so many calls; return how many are admitted, or the seconds for which none is."""
        clock = BEGINNING + dt.timedelta(seconds=self.truth + self.off_by)
        asked = [
            RequestedCall(self.customer, CHAT, f"{self.customer}-{next(self.ids)}", 1, LIMITS)
            for _ in range(calls)
        ]
        try:
            admitted = sum(status.admitted for status in self.windows.admit(asked, at=clock))
        except WindowsLost as lost:
            return f"held for {lost.retry_after}"
        self.admitted += [self.truth] * admitted
        return admitted

    def go(self, seconds, *, off_by=None):
        """Let time pass, and then let the store's clock be off by so many seconds."""
        self.truth += seconds
        self.off_by = self.off_by if off_by is None else off_by


@pytest.fixture(params=["postgresql", "redis"])
def make_world(request, redis_url):
    """Make a world with each store in turn."""
    return lambda: World(request.param, redis_url)


def test_a_clock_that_jumps_ahead_admits_nothing_for_a_minute(make_world):
    world = make_world()
    world.ask(3)
    world.go(1, off_by=3600)
    refused = world.ask()
    world.go(60)

    assert (refused, world.ask()) == ("held for 61", "held for 1")
    world.go(1)
    assert world.ask(4) == 3


def test_a_clock_that_is_ahead_for_a_moment_lets_no_call_be_forgotten(make_world):
    world = make_world()
    world.ask(3)
    world.go(1, off_by=61)
    ahead = world.ask()
    world.go(1, off_by=0)

    assert (ahead, world.ask()) == ("held for 61", "held for 61")
    world.go(61)
    assert world.ask(4) == 3


def test_a_clock_that_is_set_back_admits_on_and_nothing_for_a_minute_once_it_is_right(make_world):
    world = make_world()
    world.ask(2)
    world.go(1, off_by=-61)
    back = world.ask(2)
    world.go(1, off_by=0)

    assert (back, world.ask()) == (1, "held for 61")


@pytest.mark.parametrize("off_by", [1, 4, -3])
def test_a_clock_that_is_adjusted_by_some_seconds_holds_nothing(make_world, off_by):
    world = make_world()
    world.ask()
    world.go(30, off_by=off_by)

    assert world.ask(3) == 2


def test_a_pause_longer_than_a_window_is_no_jump(make_world):
    world = make_world()
    world.ask(3)
    world.go(62, off_by=600)

    assert world.ask(4) == 3


steps = st.tuples(
    st.sampled_from([0, 1, 5, 20, 41, 59, 60, 61, 62, 130]),
    st.sampled_from([None, None, None, 0, 0, -30, -61, -90, -3600, 30, 61, 90, 3600]),
    st.integers(1, 4),
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(history=st.lists(steps, min_size=5, max_size=30))
def test_however_the_clock_jumps_no_60_seconds_hold_more_than_the_limits(make_world, history):
    world = make_world()
    for seconds, off_by, calls in history:
        world.go(seconds, off_by=off_by)
        world.ask(calls)

    for begins in world.admitted:
        assert sum(begins <= one < begins + 60 for one in world.admitted) <= LIMITS.rpm
