"""What only PostgreSQL's windows have to keep: plans that stay good, and a hold after tables were emptied."""

import datetime as dt

import pytest
from django.db import connection

from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.windows import (
    CallLimits,
    CountedCalls,
    Refusal,
    RequestedCall,
    SettledCall,
    WindowsLost,
)
from usage.models import AdmittedCall, CallWindow, RefusedCalls

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
TABLES = [model._meta.db_table for model in (CallWindow, AdmittedCall, RefusedCalls)]
ACME, CHAT, VISION = 1, 1, 2
ONE = CallLimits(rpm=1, tpm=None)


def do_everything(windows, round_):
    """Admit, refuse, settle, release, count and look."""
    calls = [RequestedCall(ACME, service, f"{round_}-{service}", 10, ONE) for service in (CHAT, VISION)]
    windows.admit(calls, at=NOON)
    windows.admit([RequestedCall(ACME, CHAT, f"{round_}-more", 10, ONE)], at=NOON)
    windows.settle(
        [SettledCall(ACME, f"{round_}-{CHAT}", 5), SettledCall(ACME, f"{round_}-{VISION}", None)], at=NOON
    )
    windows.customers_of(f"{round_}-{CHAT}")
    windows.count([CountedCalls(ACME, CHAT, 1, 10)], at=NOON)
    windows.look([(ACME, CHAT)], at=NOON)


def read_as_a_whole():
    """How often this transaction has read each table from its beginning to its end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)", [TABLES]
        )
        return {name: scans for name, scans in cursor.fetchall() if scans}


def fetched():
    """How many windows this transaction has fetched by their index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s", TABLES[:1])
        return cursor.fetchone()[0]


def test_a_look_fetches_the_windows_that_it_asks_for_however_few_there_were_when_it_was_planned():
    windows = PostgresWindows()
    windows.count([CountedCalls(ACME, CHAT, 1, 10)], at=NOON)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLES[0]}")
    for _ in range(12):  # after some times a plan is kept
        windows.look([(ACME, CHAT)], at=NOON)
    windows.count([CountedCalls(customer, CHAT, 1, 10) for customer in range(100, 200)], at=NOON)
    before = fetched()

    windows.look([(ACME, CHAT), (100, CHAT)], at=NOON)

    assert fetched() - before == 2


def test_no_table_is_read_as_a_whole_however_small_it_was_when_the_plans_were_made():
    """Plans are kept, and a table that is best read as a whole may have thousands of rows a minute later."""
    windows = PostgresWindows()
    do_everything(windows, "first")
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")
    before = read_as_a_whole()

    do_everything(windows, "second")

    assert read_as_a_whole() == before


@pytest.mark.parametrize(
    "emptied", ["TRUNCATE usage_windowstore", "UPDATE usage_windowstore SET table_id = 'pg_class'::regclass"]
)
def test_without_its_own_row_of_the_store_nothing_is_admitted_for_a_window(emptied):
    """As after a crash, where unlogged tables are empty, and after pg_restore, where the table is another."""
    with connection.cursor() as cursor:
        cursor.execute(emptied)
    windows, ask = PostgresWindows(), [RequestedCall(ACME, CHAT, "a", 10, ONE)]

    for seconds, left in ((0, 61), (1, 60), (60, 1)):
        with pytest.raises(WindowsLost) as held:
            windows.admit(ask, at=NOON + dt.timedelta(seconds=seconds))
        assert held.value.retry_after == left
    with pytest.raises(WindowsLost):
        windows.look([(ACME, CHAT)], at=NOON)
    assert windows.admit(ask, at=NOON + dt.timedelta(seconds=61))[0].admitted


def test_usage_that_is_reported_meanwhile_counts():
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE usage_windowstore")
    windows = PostgresWindows()
    windows.count([CountedCalls(ACME, CHAT, 1, 10)], at=NOON + dt.timedelta(seconds=30))
    with pytest.raises(WindowsLost):
        windows.look([(ACME, CHAT)], at=NOON)

    refused = windows.admit([RequestedCall(ACME, CHAT, "a", 10, ONE)], at=NOON + dt.timedelta(seconds=61))
    assert refused[0].refusal is Refusal.RPM
