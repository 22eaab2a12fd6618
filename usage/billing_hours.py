"""The barrier between reporting and closing: which hours are open, and how both sides agree on it.

Whoever stores records of an hour holds a shared lock on it, taken before reading whether it is open; the
closing takes the exclusive lock first. So the closing waits for every record that is on its way into the
hour, and a record that comes later finds the hour closed. All locks are PostgreSQL's advisory locks of the
transaction. The transactions must be READ COMMITTED: at REPEATABLE READ the closing would not see what was
committed while it waited.

Hours close in order and without a gap, so the open hours are those after the last closed one. While none
is closed yet that is not known, so there is one more lock, the *beginning*: reporters share it as long as
they find nothing closed, and the very first closing takes it exclusively.

The reporters' half is a function of the database, `hold_hours_open` (migrations/0004_hold_hours_open.sql), so
that it costs a report no trip of its own.
"""

import datetime as dt
from collections.abc import Iterable

from django.db import connection
from django.db.models import Min

from sensenova_billing.lib import clock
from sensenova_billing.lib.database.prepared_statements import fetch_all
from usage.models import HOUR, UsageRecord

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGINNING = EPOCH
_LOCK_CLASS = 0x48_4F_55_52  # "HOUR": keeps our locks apart from anybody else's


def hour_of(instant: dt.datetime) -> dt.datetime:
    """Return the beginning of the UTC hour that holds this instant."""
    return instant.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def last_closed_hour() -> dt.datetime | None:
    """Return the latest closed hour, or None before the first closing."""
    ((last,),) = fetch_all("SELECT max(hour) FROM usage_billinghour")
    return last  # type: ignore[no-any-return]


def next_hour_to_close() -> dt.datetime | None:
    """Return the oldest hour that is not closed, or None while there has never been a record."""
    last = last_closed_hour()
    if last is not None:
        return last + HOUR
    first: dt.datetime | None = UsageRecord.objects.aggregate(first=Min("billing_hour"))["first"]
    return first


def lock_hours_for_ingest(hours: Iterable[dt.datetime]) -> dict[dt.datetime, dt.datetime]:
    """Keep these hours from closing until the transaction ends and return each one's billing hour.

    An hour that is closed already is billed in the earliest open hour, which is then held open too.
    """
    return dict(fetch_all("SELECT hour, billing_hour FROM hold_hours_open(%s::timestamptz[])", list(hours)))


def lock_hour_for_closing(hour: dt.datetime) -> None:
    """Wait until nobody stores records of this hour and keep everybody out until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation')")
        (isolation,) = cursor.fetchone()
        if isolation != "read committed":
            raise RuntimeError(f"Closing needs READ COMMITTED, this transaction is {isolation.upper()}.")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, _number(hour)])


def _number(hour: dt.datetime) -> int:
    return (hour - EPOCH) // HOUR


def database_now() -> dt.datetime:
    """Return the database's clock: the one clock by which all hours are closed, whatever a host's says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return clock.fast(now)
