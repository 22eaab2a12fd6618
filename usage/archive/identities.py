"""The identities of archived events, which stay unique for ever, and how ingest finds them without a race.

Before its records leave the table, an archive stores their identities and commits, then waits for every
transaction that looked for archived events before (`wait_for_ingest`). So ingest looks first, sharing a lock
until it ends, and inserts then: whatever it inserts has no identity, or is still in the table, whose key
refuses it. Where nothing was ever archived, looking costs a report one function call.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction

from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement

_LOCK_CLASS = 0x41_52_43_48  # "ARCH"
_INGEST, _ARCHIVES = 0, 1


class ArchivedContent(NamedTuple):
    """What is left of an archived record beside what was sent under its event id."""

    occurred_at: dt.datetime
    stored: bytes  # hashes of the content, without the instant
    sent: bytes


def lock_hours_and_archive(
    hours: Iterable[dt.datetime],
) -> tuple[dict[dt.datetime, dt.datetime], bool]:
    """Lock these hours for ingest, and return their billing hours; and whether any event is archived."""
    rows = fetch_all(_LOCK, list(hours))
    return {hour: billing_hour for hour, billing_hour, _ in rows}, any(is_any for *_, is_any in rows)


def has_archived(keys: Sequence[tuple[int, str]]) -> bool:
    """Whether any of these events is archived."""
    # As one JSON text: psycopg takes longer to write long arrays than PostgreSQL to look all of them up.
    return bool(fetch_all(_ANY_ARCHIVED, msgspec.json.encode(keys).decode()))


def compare_archived(sent: Sequence[tuple[int, str, dict[str, Any]]]) -> dict[int, ArchivedContent]:
    """Return what is archived under these keys, each beside the columns that were sent, by their place."""
    rows = [
        {"place": place, "customer_id": customer_id, "event_id": event_id, "content": content}
        for place, (customer_id, event_id, content) in enumerate(sent)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, [msgspec.json.encode(rows).decode()])
        return {
            place: ArchivedContent(occurred_at, bytes(stored), bytes(now))
            for place, occurred_at, stored, now in cursor.fetchall()
        }


def store_identities(*, from_hour: dt.datetime, until_hour: dt.datetime) -> None:
    """Store the identities of all records of these hours that have none; repeatable."""
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [from_hour, until_hour])


@transaction.atomic(durable=True)
def wait_for_ingest() -> None:
    """Return when every transaction that looked for archived events before has ended."""
    _lock(_INGEST)


def lock_archives() -> None:
    """Let no other archive be made or restored until this transaction ends."""
    _lock(_ARCHIVES)


def _lock(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, number])


_LOCK = """
SELECT hour, billing_hour, is_any FROM hold_hours_open(%s::timestamptz[]), share_archive() AS is_any
"""
_ANY_ARCHIVED = load_statement("find_any_archived.sql", beside=__file__)
_COMPARE = load_statement("compare_archived.sql", beside=__file__)
_STORE = load_statement("store_identities.sql", beside=__file__)
