"""Many who ask at once: together they are admitted as often as the limits allow, never more."""

import datetime as dt
import itertools
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import connection, transaction

from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import (
    CallLimits,
    CallState,
    CallWindows,
    CountedCalls,
    Refusal,
    RequestedCall,
    SettledCall,
    WindowsLost,
)
from usage.models import CallWindow

pytestmark = pytest.mark.django_db(transaction=True)

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
ACME, GLOBEX, CHAT, VISION = 1, 2, 1, 2
TEN = CallLimits(rpm=10, tpm=1000)
ONE = CallLimits(rpm=1, tpm=None)


def ask(call_id, *, windows=None, customer=ACME, service=CHAT, limits=ONE):
    asked = RequestedCall(customer, service, call_id, 100, limits)
    (status,) = (windows or PostgresWindows()).admit([asked], at=NOON)
    return status


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_eight_threads_are_admitted_as_often_as_the_limits_allow(store, redis_url):
    in_redis = RedisWindows(redis_url, timeout=dt.timedelta(seconds=PATIENCE))
    windows: CallWindows = in_redis if store == "redis" else PostgresWindows()
    numbers = itertools.count()

    def ask_twenty_times():
        return [ask(f"{store}-{next(numbers)}", windows=windows, limits=TEN) for _ in range(20)]

    with together() as threads:
        asking = [threads.start(ask_twenty_times) for _ in range(8)]
    statuses = [status for each in asking for status in each.result(PATIENCE)]

    assert [status.refusal for status in statuses].count(Refusal.NONE) == 10
    (use,) = windows.look([(ACME, CHAT)], at=NOON)
    assert (use.calls, use.tokens) == (10, 1000)


def test_who_asks_while_another_is_being_admitted_waits_and_sees_it():
    ask("before", customer=GLOBEX)
    with together() as threads:
        with transaction.atomic():
            first = ask("first")
            asking = threads.start(lambda: ask("second"))
            wait_until_waiting(1, locktype="transactionid")
        second = asking.result(PATIENCE)

    assert (first.refusal, second.refusal) == (Refusal.NONE, Refusal.RPM)


def test_without_the_lock_both_would_be_admitted():
    """The control: the test above fails if the window is not locked."""
    ask("before", limits=CallLimits(rpm=0, tpm=None))
    with Altered("locked_window", "FOR NO KEY UPDATE", ""), together() as threads:
        with transaction.atomic():
            first = ask("first")
            asking = threads.start(lambda: ask("second"))
            wait_until_waiting(1, locktype="transactionid")  # to write, having read already
        second = asking.result(PATIENCE)

    assert (first.refusal, second.refusal) == (Refusal.NONE, Refusal.NONE)


def test_of_two_services_for_which_one_id_is_used_at_once_one_is_admitted():
    with together() as threads:
        with transaction.atomic():
            ask("call-1")
            asking = threads.start(lambda: ask("call-1", service=VISION))
            wait_until_waiting(1, locktype="transactionid")
        other = asking.result(PATIENCE)

    assert other.refusal is Refusal.OTHER_CALL
    assert PostgresWindows().look([(ACME, VISION)], at=NOON)[0].calls == 0


def test_two_customers_who_use_one_id_at_once_do_not_wait_for_each_other():
    with together() as threads, transaction.atomic():
        ask("call-1", customer=ACME)
        other = threads.start(lambda: ask("call-1", customer=GLOBEX)).result(PATIENCE)

    assert other.refusal is Refusal.NONE
    assert PostgresWindows().customers_of("call-1") == {ACME, GLOBEX}


def test_a_call_is_settled_once_by_two_at_once():
    windows = PostgresWindows()
    ask("call-1")
    with together() as threads:
        with transaction.atomic():
            released = windows.settle([SettledCall(ACME, "call-1", None)], at=NOON)
            settling = threads.start(lambda: windows.settle([SettledCall(ACME, "call-1", 7)], at=NOON))
            wait_until_waiting(1, locktype="transactionid")
        settled = settling.result(PATIENCE)

    assert (released, settled) == ([CallState.HELD], [CallState.RELEASED])
    assert windows.look([(ACME, CHAT)], at=NOON)[0].calls == 0


def test_two_who_ask_for_the_same_windows_in_opposite_orders_do_not_wait_in_a_circle():
    windows, numbers = PostgresWindows(), itertools.count()
    whose = [(customer, service) for customer in (ACME, GLOBEX) for service in (CHAT, VISION)]

    def ask_for_all(ordered):
        for _ in range(50):
            windows.admit([RequestedCall(c, s, f"call-{next(numbers)}", 1, TEN) for c, s in ordered], at=NOON)

    with together() as threads:
        both = [threads.start(partial(ask_for_all, ordered)) for ordered in (whose, whose[::-1])]

    assert [one.result(PATIENCE) for one in both] == [None, None]
    assert [use.calls for use in windows.look(whose, at=NOON)] == [10] * 4


def admit_for_both():
    PostgresWindows().admit([RequestedCall(who, CHAT, f"call-{who}", 1, TEN) for who in (ACME, GLOBEX)])


def settle_for_both():
    PostgresWindows().settle([SettledCall(who, f"before-{who}", 1) for who in (ACME, GLOBEX)])


def count_for_both():
    PostgresWindows().count([CountedCalls(who, CHAT, 1, 1) for who in (ACME, GLOBEX)])


@pytest.mark.parametrize("deed", [admit_for_both, settle_for_both, count_for_both])
def test_who_waited_for_one_window_counts_in_the_second_in_which_all_are_its_own(deed):
    """Not in the one in which it began: calls that are answered now would leave the windows too early."""
    for who in (ACME, GLOBEX):
        PostgresWindows().admit([RequestedCall(who, CHAT, f"before-{who}", 1, TEN)])
    with together() as threads:
        with transaction.atomic():
            CallWindow.objects.select_for_update().get(customer=GLOBEX)
            waiting = threads.start(deed)
            wait_until_waiting(1, locktype="transactionid")
            second = next_second()
        waiting.result(PATIENCE)

    seconds = [window.second for window in CallWindow.objects.all()]
    assert len(seconds) == 2
    assert min(seconds) >= second


def test_who_settles_waits_for_all_windows_before_it_holds_an_id():
    """Somebody may hold one of the windows, and wait for an id that was unknown to him."""
    ask("other", service=VISION)
    until_told = "BEGIN PERFORM pg_advisory_xact_lock(1);"
    with Altered("store_admitted", "BEGIN", until_told), together() as threads, told() as tell:
        asking = threads.start(lambda: ask("call-1", service=VISION, limits=TEN))
        wait_until_waiting(1)  # it has found the id unknown, and holds the window
        ask("call-1")
        calls = [SettledCall(ACME, "call-1", 7), SettledCall(ACME, "other", 7)]
        settling = threads.start(lambda: PostgresWindows().settle(calls, at=NOON))
        wait_until_waiting(1, locktype="transactionid")
        tell()

    assert asking.result(PATIENCE).refusal is Refusal.OTHER_CALL
    assert settling.result(PATIENCE) == [CallState.HELD, CallState.HELD]


def test_a_crash_empties_the_windows_and_what_they_admit_is_held_back():
    """What PostgreSQL does to unlogged tables when it starts after a crash."""
    ask("before")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class"
            " WHERE relpersistence = 'u' AND relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        unlogged = {name for (name,) in cursor.fetchall()}
        cursor.execute(f"TRUNCATE {', '.join(sorted(unlogged))}")

    assert unlogged == {"usage_callwindow", "usage_admittedcall", "usage_refusedcalls", "usage_windowstore"}
    assert PostgresWindows().settle([SettledCall(ACME, "before", 5)], at=NOON) == [CallState.UNKNOWN]
    with pytest.raises(WindowsLost):
        ask("after")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_windowstore SET held_from = 0, held_until = 0")
    assert ask("after").refusal is Refusal.NONE
    assert CallWindow.objects.get().calls_in_all == 1


def next_second():
    """Wait until the database's clock shows another second, and return it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep_until(date_trunc('second', clock_timestamp()) + interval '1 second')")
        cursor.execute("SELECT floor(extract(epoch FROM clock_timestamp()))")
        return cursor.fetchone()[0]


@contextmanager
def told():
    """Others wait for an advisory lock until they are told."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        tell = partial(cursor.execute, "SELECT pg_advisory_unlock_all()")
        try:
            yield tell
        finally:
            tell()


class Altered:
    """A function of the database with other words in place of these, and as it was after all."""

    def __init__(self, name, words, others):
        self.name, self.words, self.others = name, words, others

    def __enter__(self):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_get_functiondef('{self.name}'::regproc)")
            (self.kept,) = cursor.fetchone()
            assert self.words in self.kept
            cursor.execute(self.kept.replace(self.words, self.others))

    def __exit__(self, *raised):
        with connection.cursor() as cursor:
            cursor.execute(self.kept)
