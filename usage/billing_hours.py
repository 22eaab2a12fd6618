"""The barrier between ingest and closing: which hours are open, and how both sides agree on it.

A transaction that stores records of an hour first takes a shared lock on the hour, then reads whether it is
open; the closing first takes the exclusive lock. So the closing waits for every transaction that is storing
records of the hour, and a later record finds the hour closed. All locks are PostgreSQL's transaction-level
advisory locks. The transactions must be READ COMMITTED: at REPEATABLE READ the closing would not see what was
committed while it waited.

Hours close in order and without a gap, so the open hours are those after the last closed one. Before the
first closing there is no such hour, so there is one more lock, the *beginning*: ingest shares it as long as
no hour is closed, and the very first closing takes it exclusively.

Ingest's half is a function of the database, `hold_hours_open` (migrations/0004_hold_hours_open.sql), so that
it costs a report no round trip of its own.
"""

import datetime as dt
from collections.abc import Iterable

from django.db import connection
from django.db.models import Min

from sensenova_billing.lib import clock
from sensenova_billing.lib.database.prepared_statements import fetch_all
from usage.distribution.commits import finish_commits
from usage.models import HOUR, UsageRecord

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGINNING = EPOCH
_LOCK_CLASS = 0x48_4F_55_52  # "HOUR": separates these locks from all others


def hour_of(instant: dt.datetime) -> dt.datetime:
    """Return the beginning of the UTC hour that contains this instant."""
    return instant.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def last_closed_hour() -> dt.datetime | None:
    """Return the latest closed hour, or None before the first closing."""
    ((last,),) = fetch_all("SELECT max(hour) FROM usage_billinghour")
    return last  # type: ignore[no-any-return]


def next_hour_to_close() -> dt.datetime | None:
    """Return the oldest hour that is not closed, or None before the first record."""
    last = last_closed_hour()
    if last is not None:
        return last + HOUR
    first: dt.datetime | None = UsageRecord.objects.aggregate(first=Min("billing_hour"))["first"]
    return first


def lock_hours_for_ingest(hours: Iterable[dt.datetime]) -> dict[dt.datetime, dt.datetime]:
    """Lock these hours against closing until the transaction ends; return the billing hour of each.

    The billing hour of a closed hour is the earliest open one, which is then locked too.
    """
    return dict(fetch_all("SELECT hour, billing_hour FROM hold_hours_open(%s::timestamptz[])", list(hours)))


def lock_hour_for_closing(hour: dt.datetime) -> None:
    """Wait for transactions that store records of this hour; lock it until this transaction ends.

    Where records are on several servers, these have to have committed as well.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation')")
        (isolation,) = cursor.fetchone()
        if isolation != "read committed":
            raise RuntimeError(f"Closing needs READ COMMITTED, this transaction is {isolation.upper()}.")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, _number(hour)])
    finish_commits()


def _number(hour: dt.datetime) -> int:
    return (hour - EPOCH) // HOUR


def database_now() -> dt.datetime:
    """Return the time of the database, the one clock by which hours are closed on all hosts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return clock.fast(now)
