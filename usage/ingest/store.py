"""Writes records to the table in bulk, in the current transaction.

`copy_rows` is faster and takes new records only; `insert_rows` also takes records that are already stored,
and returns which were new. Both write in the order of the key, so that two senders of the same records wait
for each other but never deadlock.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.db import connection

from pricing.rules.measures import Measure
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from usage.ingest.resolve import MEASURES, ResolvedRecord

RecordKey = tuple[int, str]
Hours = Mapping[dt.datetime, dt.datetime]

_MEASURES = ", ".join(Measure)
_COLUMNS = f"customer_id, event_id, service_id, occurred_at, billing_hour, received_at, metadata, {_MEASURES}"
_COPY = f"COPY usage_usagerecord ({_COLUMNS}) FROM STDIN"
# COPY's text format: these four would end a value or a record.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_HAS_ESCAPES = re.compile(r"[\\\t\n\r]").search


def copy_rows(*, records: Iterable[ResolvedRecord], billing_hours: Hours, now: dt.datetime) -> None:
    """Store new records; raise IntegrityError if any is already stored."""
    received = now.isoformat()
    hours = {hour: f"{billing.isoformat()}\t{received}" for hour, billing in billing_hours.items()}
    text = "".join([_text(record, hours) for record in sorted(records)])
    # psycopg's own cursor, whose errors have to be turned into Django's.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(text)


def _text(record: ResolvedRecord, hours: Mapping[dt.datetime, str]) -> str:
    customer_id, event_id, service_id, _, occurred_at, hour, quantities, metadata, _ = record
    if _HAS_ESCAPES(event_id):
        event_id = event_id.translate(_ESCAPES)
    metadata_text = json.dumps(metadata).translate(_ESCAPES) if metadata else "\\N"
    measured = "\t".join(map(str, quantities))
    head = f"{customer_id}\t{event_id}\t{service_id}\t{occurred_at.isoformat()}"
    return f"{head}\t{hours[hour]}\t{metadata_text}\t{measured}\n"


def insert_rows(*, records: Iterable[ResolvedRecord], now: dt.datetime) -> set[RecordKey]:
    """Store the new records and return their keys; wait for a concurrent insert of the same key.

    One statement, which needs no transaction: it locks the hours itself.
    """
    # As one JSON text: a parameter for each column would cost more than the rest of a single report.
    sent = msgspec.json.encode([_fields(record) for record in records]).decode()
    return set(fetch_all(_INSERT, sent, now))


def _fields(record: ResolvedRecord) -> dict[str, Any]:
    return {
        "customer_id": record.customer_id,
        "event_id": record.event_id,
        "service_id": record.service_id,
        "occurred_at": record.occurred_at,
        "hour": record.hour,
        "metadata": record.metadata,
        **dict(zip(MEASURES, record.quantities, strict=True)),
    }


_INSERT = load_statement(
    "insert_records.sql",
    beside=__file__,
    columns=_COLUMNS,
    measures=_MEASURES,
    measures_with_types=", ".join(f"{measure} bigint" for measure in Measure),
)


def stored_contents(keys: Sequence[RecordKey]) -> dict[RecordKey, dict[str, Any]]:
    """Return the stored content under these keys, in the form of `ResolvedRecord.content`."""
    if not keys:
        return {}
    customer_ids, event_ids = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [list(customer_ids), list(event_ids)])
        columns = ("service", "occurred_at", *map(str, Measure), "metadata")
        return {
            (customer_id, event_id): dict(zip(columns, content, strict=True))
            | {"metadata": _read(content[-1])}
            for customer_id, event_id, *content in cursor.fetchall()
        }


def _read(metadata: str | None) -> Any:
    # Django returns jsonb as text, for its model fields.
    return json.loads(metadata) if isinstance(metadata, str) else metadata


_STORED = load_statement("read_stored_records.sql", beside=__file__, measures=_MEASURES)
