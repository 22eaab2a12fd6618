"""Who decides on calls when Redis was away and PostgreSQL takes over: never two stores at a time.

By a clock that is driven by hand, for two hosts whose ways to Redis are cut one by one.
"""

import datetime as dt
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.usage.conftest import PATIENT
from usage.limits.stores.choice import RedisOrPostgres
from usage.limits.stores.failover import Deciding, Switch
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import (
    CallLimits,
    CallState,
    CountedCalls,
    ReportedCall,
    RequestedCall,
    SettledCall,
    StoreUnavailable,
)
from usage.models import RedisAway

pytestmark = pytest.mark.django_db

BEGINNING = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
MILLISECOND = dt.timedelta(milliseconds=1)
RPM = 3
LIMITS = CallLimits(rpm=RPM, tpm=None)
_FRESH = itertools.count(5_000_000)


class Way:
    """A host's way to Redis: it may be cut, before Redis is asked or before its answer comes."""

    def __init__(self, windows):
        self._windows = windows
        self.cut = ""
        self.asked = 0

    def __getattr__(self, deed):
        def trip(*args, **options):
            self.asked += 1
            if self.cut == "before":
                raise StoreUnavailable("cut")
            answer = getattr(self._windows, deed)(*args, **options)
            if self.cut == "after":
                raise StoreUnavailable("cut")
            return answer

        return trip


class Host:
    """A host with a way to Redis of its own."""

    def __init__(self, clock, in_redis):
        self.way = Way(in_redis)
        self.switch = Switch(lambda: (clock.now - BEGINNING) // dt.timedelta(microseconds=1) * 1000)
        self.windows = RedisOrPostgres(self.way, PostgresWindows(), self.switch)


class Play:
    """Two hosts, a customer, and one clock for all."""

    def __init__(self, in_redis):
        self.now = BEGINNING
        self.customer = next(_FRESH)
        self.ids = itertools.count()
        self.hosts = [Host(self, in_redis) for _ in range(2)]
        self.admitted = []  # an instant for each call
        self.failures = []

    def ask(self, calls=1, host=0, call_id=None):
        """Ask for so many calls; return how many are admitted."""
        ids = [call_id or f"{self.customer}-{next(self.ids)}" for _ in range(calls)]
        asked = [RequestedCall(self.customer, 1, one, 10, LIMITS) for one in ids]
        way = self.hosts[host].way
        before = way.asked
        statuses = self.hosts[host].windows.admit(asked, at=self.now)
        if way.cut and way.asked > before:
            self.failures.append(self.now)
        admitted = sum(status.admitted for status in statuses)
        self.admitted += [self.now] * admitted
        return admitted

    def settle(self, call_id, tokens, host=0):
        """Settle a call; return what it was."""
        (state,) = self.hosts[host].windows.settle([SettledCall(self.customer, call_id, tokens)], at=self.now)
        return state

    def deciding(self, host=0):
        """Who decides, as this host knows it."""
        return self.hosts[host].switch.deciding(at=self.now)

    def cut(self, how, *hosts):
        """Cut these ways to Redis, or mend them."""
        for host in hosts or (0, 1):
            self.hosts[host].way.cut = how

    def go(self, seconds):
        """Let time pass."""
        self.now += seconds * SECOND


@pytest.fixture
def in_redis(redis_url):
    """The one Redis."""
    windows = RedisWindows(redis_url, timeout=PATIENT)
    yield windows
    windows._redis.close()


@pytest.fixture
def play(in_redis):
    """The ways to Redis are whole."""
    return Play(in_redis)


def test_while_redis_answers_it_decides_alone(play):
    assert play.ask(RPM + 1) == RPM
    assert not RedisAway.objects.exists()
    assert PostgresWindows().look([(play.customer, 1)], at=play.now)[0].calls == 0


def test_a_failure_of_one_host_lets_postgresql_decide_for_the_other_within_a_second(play):
    play.ask(host=1)
    play.cut("before", 0)
    play.ask(host=0)
    assert (play.deciding(0), play.deciding(1)) == (Deciding.POSTGRESQL, Deciding.REDIS)
    play.go(1)

    assert play.deciding(1) is Deciding.POSTGRESQL
    assert [play.ask(host=1), play.ask(host=0), play.ask(host=1)] == [1, 1, 0]


def test_a_redis_that_flaps_lets_the_limit_be_exceeded_once_not_each_minute(play):
    admitted = []
    for number in range(12):
        play.cut("" if number % 2 else "before")
        admitted.append(play.ask(RPM + 1))
        play.go(30.5)

    assert sum(admitted[:2]) <= 2 * RPM
    assert all(sum(admitted[n : n + 2]) <= RPM for n in range(1, 11))


def test_for_a_minute_after_redis_is_back_only_what_both_admit_is_admitted(play):
    play.cut("before")
    play.ask()
    play.cut("")
    deciding = []
    for seconds in (60, 1, 64, 1):
        play.go(seconds)
        deciding.append(play.deciding())

    assert deciding == [Deciding.POSTGRESQL, Deciding.BOTH, Deciding.BOTH, Deciding.REDIS]


def test_what_postgresql_admitted_counts_until_redis_knows_all_that_counts(play):
    play.cut("before")
    play.ask()
    play.cut("")
    admitted = []
    for seconds in (60, 2, 60, 5):
        play.go(seconds)
        admitted.append((play.deciding(), play.ask(RPM)))

    assert admitted == [
        (Deciding.POSTGRESQL, 2),  # the first still counts
        (Deciding.BOTH, 1),  # the two: Redis alone, which does not know them, would admit three
        (Deciding.BOTH, 2),
        (Deciding.REDIS, 1),  # it knows the two
    ]


def test_what_redis_refuses_while_both_decide_is_given_back_in_postgresql(play):
    play.cut("before", 0)
    play.ask()
    play.cut("")
    play.go(62)
    asked = [RequestedCall(play.customer, 1, f"{play.customer}-redis-{n}", 10, LIMITS) for n in range(RPM)]
    play.hosts[0].way.admit(asked, at=play.now)

    assert play.ask() == 0
    assert PostgresWindows().look([(play.customer, 1)], at=play.now)[0].calls == 0


def test_while_both_decide_calls_are_settled_and_counted_in_both(play):
    play.cut("before")
    play.ask()
    play.cut("")
    play.go(62)
    play.ask(call_id=f"{play.customer}-its")
    windows = play.hosts[0].windows
    windows.count([CountedCalls(play.customer, 1, 1, 5)], at=play.now)

    assert play.settle(f"{play.customer}-its", 3) is CallState.HELD
    for store in (PostgresWindows(), play.hosts[0].way, windows):
        (use,) = store.look([(play.customer, 1)], at=play.now)
        assert (use.calls, use.tokens) == (2, 8)


def test_a_reported_call_ends_once_whichever_store_decides(play):
    call = ReportedCall(play.customer, 1, f"{play.customer}-reported")
    first = []
    for how, seconds in (("before", 0), ("", 62), ("", 65)):
        play.cut(how)
        play.go(seconds)
        first.append(bool(play.hosts[0].windows.mark_reported([call], at=play.now)))

    assert first == [True, False, False]
    assert play.deciding() is Deciding.REDIS


def test_redis_that_fails_while_both_decide_costs_nothing_and_the_minute_begins_anew(play):
    play.cut("before")
    play.ask()
    play.go(62)

    assert play.ask(RPM) == RPM
    assert play.deciding() is Deciding.POSTGRESQL
    assert play.ask() == 0
    assert RedisAway.objects.get().failed_at == play.now


def test_while_postgresql_decides_redis_is_not_waited_for(play):
    play.cut("before")
    play.ask()
    asked = play.hosts[0].way.asked
    play.ask()
    windows = play.hosts[0].windows
    windows.look([(play.customer, 1)], at=play.now)
    windows.refusals(at=play.now)
    windows.count([CountedCalls(play.customer, 1, 1, 5)], at=play.now)

    assert play.hosts[0].way.asked == asked


def test_what_redis_may_hold_cannot_be_released_while_it_is_away(play):
    held = f"{play.customer}-held"
    play.ask(call_id=held)
    play.cut("before")

    for _ in range(2):  # it is asked, and then it is known to be away
        with pytest.raises(StoreUnavailable, match="released"):
            play.settle(held, None)
    assert (
        play.settle(held, 3) is CallState.UNKNOWN
    )  # reported usage counts as that of a call nobody asked for
    play.cut("")
    play.go(61)
    assert play.settle(held, None) is CallState.HELD


def test_what_postgresql_holds_is_released_while_redis_is_away(play):
    play.cut("before")
    play.ask(call_id=f"{play.customer}-its")

    assert play.settle(f"{play.customer}-its", None) is CallState.HELD


def test_customers_of_an_id_are_known_from_both_stores_and_not_guessed_while_redis_is_away(play):
    its, held = f"{play.customer}-its", f"{play.customer}-held"
    play.ask(call_id=held)
    play.cut("before")
    play.ask(call_id=its)
    windows = play.hosts[0].windows

    assert windows.customers_of(its, at=play.now) == {play.customer}
    with pytest.raises(StoreUnavailable, match="may hold a call of this id"):
        windows.customers_of(held, at=play.now)
    play.cut("")
    play.go(61)
    assert windows.customers_of(held, at=play.now) == {play.customer}
    assert windows.customers_of("unknown", at=play.now) == set()


def test_an_outage_is_told_once_not_with_each_trip(play, caplog):
    caplog.set_level(logging.INFO, "usage.limits.stores.failover")
    play.cut("before")
    for _ in range(20):
        play.ask()
    play.cut("")
    play.go(61)
    play.ask()
    play.go(65)
    play.ask()

    assert [(record.levelname, record.message.partition(":")[0]) for record in caplog.records] == [
        ("WARNING", Deciding.POSTGRESQL.value),
        ("INFO", Deciding.BOTH.value),
        ("INFO", Deciding.REDIS.value),
    ]


@pytest.mark.django_db(transaction=True)
def test_many_who_find_redis_away_at_once_tell_everybody():
    def fall_back(_):
        try:
            Switch().fall_back(StoreUnavailable("cut"))
            return Switch().deciding()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert {*threads.map(fall_back, range(20))} == {Deciding.POSTGRESQL}

    assert Switch().deciding() is Deciding.POSTGRESQL
    assert RedisAway.objects.count() == 1


# Bursts, and the moments at which something changes: what was admitted leaves, or others decide.
gaps = st.sampled_from([0, 300, 1000, 5000, 30_000, 55_000, 60_999, 61_000, 65_000, 66_000, 126_000])
cuts = st.sampled_from([None, None, None, "", "", "before", "after"])
steps = st.lists(st.tuples(gaps, st.integers(0, 1), cuts, st.integers(1, RPM + 1)), min_size=30, max_size=50)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(steps=steps)
def test_whatever_is_cut_only_a_failure_after_two_quiet_minutes_lets_in_the_limit_once_more(in_redis, steps):
    RedisAway.objects.all().delete()
    play = Play(in_redis)
    for gap, host, cut, calls in steps:
        play.now += gap * MILLISECOND
        if cut is not None:
            play.cut(cut, host)
        play.ask(calls, host)

    falls = [
        one for n, one in enumerate(play.failures) if n == 0 or one - play.failures[n - 1] >= 126 * SECOND
    ]
    for begins in play.admitted:
        ends = begins + 60 * SECOND
        calls = sum(begins <= one < ends for one in play.admitted)
        fell = any(begins - SECOND <= fall < ends for fall in falls)
        assert calls <= (2 * RPM if fell else RPM)
