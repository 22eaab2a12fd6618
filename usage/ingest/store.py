"""Writes records to the table in bulk, in the current transaction.

`copy_rows` is faster and takes new records only; `insert_rows` also takes records that are already stored,
and returns which were new. Both write in the order of the key, so that two senders of the same records wait
for each other but never deadlock.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from django.db import connection

from pricing.rules.measures import Measure
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from usage.ingest.resolve import MEASURES, ResolvedRecord
from usage.models import UsageRecord

RecordKey = tuple[int, str]
Hours = Mapping[dt.datetime, dt.datetime]

_MEASURES = ", ".join(Measure)
_COLUMNS = (
    "customer_id, event_id, service_id, occurred_at, billing_hour, received_at, metadata, "
    f"outcome, is_charged, {_MEASURES}"
)
_COPY = f"COPY usage_usagerecord ({_COLUMNS}) FROM STDIN"
# 0 of these is stored as null.
_MAY_BE_NULL = [UsageRecord._meta.get_field(measure).null for measure in Measure]
_rare = itemgetter(*(place for place, is_null in enumerate(_MAY_BE_NULL) if is_null))
_usual: Callable[[tuple[int, ...]], tuple[int, ...]] = itemgetter(
    *(place for place, is_null in enumerate(_MAY_BE_NULL) if not is_null)
)
_USUAL = "\t".join("\\N" if is_null else "%d" for is_null in _MAY_BE_NULL)
_CHARGED = {None: "\\N", False: "f"}
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
    customer_id, event_id, service_id, _, occurred_at, hour, quantities, metadata, _, outcome, is_charged = (
        record
    )
    if _HAS_ESCAPES(event_id):
        event_id = event_id.translate(_ESCAPES)
    metadata_text = json.dumps(metadata).translate(_ESCAPES) if metadata else "\\N"
    head = f"{customer_id}\t{event_id}\t{service_id}\t{occurred_at.isoformat()}"
    ended = f"{outcome}\t{_CHARGED[is_charged]}" if outcome else "\\N\t\\N"
    return f"{head}\t{hours[hour]}\t{metadata_text}\t{ended}\t{_measured(quantities)}\n"


def _measured(quantities: tuple[int, ...]) -> str:
    if any(_rare(quantities)):
        return "\t".join(
            str(quantity) if quantity or not is_null else "\\N"
            for quantity, is_null in zip(quantities, _MAY_BE_NULL, strict=True)
        )
    return _USUAL % _usual(quantities)


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
        "outcome": record.outcome,
        "is_charged": record.is_charged,
        **dict(zip(MEASURES, record.quantities, strict=True)),
    }


def content_columns(record: ResolvedRecord) -> dict[str, Any]:
    """Return the columns that a repeated report has to repeat, besides `occurred_at`."""
    measured = {
        str(measure): None if is_null and not quantity else quantity
        for measure, is_null, quantity in zip(MEASURES, _MAY_BE_NULL, record.quantities, strict=True)
    }
    return {
        "service_id": record.service_id,
        "metadata": record.metadata,
        "outcome": record.outcome,
        **measured,
    }


_INSERT = load_statement(
    "insert_records.sql",
    beside=__file__,
    columns=_COLUMNS,
    measures=", ".join(
        f"nullif({measure}, 0)" if is_null else str(measure)
        for measure, is_null in zip(Measure, _MAY_BE_NULL, strict=True)
    ),
    measures_with_types=", ".join(f"{measure} bigint" for measure in Measure),
)


def stored_contents(keys: Sequence[RecordKey]) -> dict[RecordKey, dict[str, Any]]:
    """Return the stored content under these keys, in the form of `ResolvedRecord.content`."""
    if not keys:
        return {}
    customer_ids, event_ids = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [list(customer_ids), list(event_ids)])
        columns = ("service", "occurred_at", *map(str, Measure), "outcome", "metadata")
        return {
            (customer_id, event_id): dict(zip(columns, content, strict=True))
            | {"metadata": _read(content[-1])}
            for customer_id, event_id, *content in cursor.fetchall()
        }


def _read(metadata: str | None) -> Any:
    # Django returns jsonb as text, for its model fields.
    return json.loads(metadata) if isinstance(metadata, str) else metadata


_STORED = load_statement(
    "read_stored_records.sql",
    beside=__file__,
    measures=", ".join(f"coalesce(record.{measure}, 0)" for measure in Measure),
)
