"""Stores usage; the only way into the table.

`record_usage` stores a batch, all or none; `record_each` stores each valid report of several requests, with
an outcome for each. Both return only after the commit. A record is stored once under (customer, event_id),
even if it is archived: the same content again is a duplicate, other content is a conflict. So a sender may
repeat any request until it is answered.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from django.db import IntegrityError, InternalError, OperationalError, transaction
from psycopg.errors import UniqueViolation

from sensenova_billing.lib.api.schemas import NonNegative
from sensenova_billing.lib.database.time_limits import Work, limit_transaction
from usage.archive.identities import ArchivedContent, compare_archived, has_archived, lock_hours_and_archive
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.payload import UsageReport
from usage.ingest.resolve import ResolvedRecord, resolve, used_call
from usage.ingest.store import RecordKey, content_columns, copy_rows, insert_rows, stored_contents
from usage.limits.settlement import settle_stored
from usage.refused.errors import UsageError

ATTEMPTS = 5
# Of two transactions that wait for each other PostgreSQL aborts one, which may be retried as a whole.
_RETRYABLE = {"40001", "40P01"}

Outcome = TypeVar("Outcome")


class _SomeAreArchived(Exception):
    """An event of a batch is archived."""


class Receipt(msgspec.Struct, frozen=True):
    """How many records of a batch are new, and how many were already stored."""

    accepted: NonNegative
    duplicates: NonNegative


def record_usage(*, reports: Sequence[UsageReport], now: dt.datetime) -> Receipt:
    """Store these reports, all or none; raise InvalidUsage or UsageConflict if none is stored."""
    records, problems = resolve(reports=reports, now=now)
    if problems:
        raise InvalidUsage(problems)
    new = _store(records=records, now=now)
    settle_stored(calls=map(used_call, new), now=now)
    return Receipt(accepted=len(new), duplicates=len(records) - len(new))


def _store(*, records: Mapping[int, ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    distinct = {record[:2]: record for record in records.values()}
    if len(distinct) == len(records):
        try:
            return _with_retries(lambda: _copy(records=list(distinct.values()), now=now))
        except _SomeAreArchived:
            pass
        except InternalError:
            pass  # Citus reports whatever a shard refuses of a COPY so, without its code
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
    return _with_retries(lambda: _insert_whole(records=records, now=now))


def record_each(*, reports: Sequence[UsageReport], now: dt.datetime) -> list[Receipt | UsageError]:
    """Store each valid report in one commit, and return an outcome for each report."""
    records, problems = resolve(reports=reports, now=now)
    outcomes: dict[int, Receipt | UsageError] = (
        _with_retries(lambda: _insert_each(records=records, now=now)) if records else {}
    )
    settle_stored(
        calls=[used_call(record) for index, record in records.items() if _is_new(outcomes[index])], now=now
    )
    for problem in problems:
        outcomes[problem.index] = InvalidUsage([replace(problem, index=0)])
    return [outcomes[index] for index in range(len(reports))]


def _is_new(outcome: Receipt | UsageError) -> bool:
    return isinstance(outcome, Receipt) and outcome.accepted == 1


def _with_retries(action: Callable[[], Outcome]) -> Outcome:
    for _ in range(ATTEMPTS - 1):
        try:
            return action()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _RETRYABLE:
                raise
    return action()


@transaction.atomic
def _copy(*, records: Sequence[ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    limit_transaction(Work.REPORT)
    billing_hours, is_any_archived = lock_hours_and_archive({record.hour for record in records})
    if is_any_archived and has_archived([record.key for record in records]):
        raise _SomeAreArchived
    copy_rows(records=records, billing_hours=billing_hours, now=now)
    return records


@transaction.atomic
def _insert_whole(*, records: Mapping[int, ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    limit_transaction(Work.REPORT)
    new, differences = _insert(records=records, now=now)
    if differences:
        raise UsageConflict([difference for found in differences.values() for difference in found])
    firsts = {record.key: record for record in records.values()}
    return [firsts[key] for key in new]


# Needs no transaction: one statement stores, and stored records never change.
def _insert_each(
    *, records: Mapping[int, ResolvedRecord], now: dt.datetime
) -> dict[int, Receipt | UsageError]:
    new, differences = _insert(records=records, now=now)
    outcomes: dict[int, Receipt | UsageError] = {}
    for index, record in records.items():
        if index in differences:
            outcomes[index] = UsageConflict([difference | {"index": 0} for difference in differences[index]])
        else:
            outcomes[index] = Receipt(accepted=int(record.key in new), duplicates=int(record.key not in new))
            new.discard(record.key)  # another report of the same record is a duplicate
    return outcomes


def _insert(
    *, records: Mapping[int, ResolvedRecord], now: dt.datetime
) -> tuple[set[RecordKey], dict[int, list[dict[str, Any]]]]:
    """Store the new records; return their keys, and by index how others differ from the stored record."""
    firsts: dict[RecordKey, ResolvedRecord] = {}
    for record in records.values():
        firsts.setdefault(record.key, record)
    new = insert_rows(records=firsts.values(), now=now)
    contents = stored_contents([key for key in firsts if key not in new])
    contents |= {key: firsts[key].content() for key in new}
    differences = _archived_differences(
        {index: record for index, record in records.items() if record.key not in contents}, contents
    )
    for index, record in records.items():
        if record.key in contents:
            differences[index] = _differences(index, record, contents[record.key])
    return new, {index: found for index, found in differences.items() if found}


def _archived_differences(
    records: Mapping[int, ResolvedRecord], contents: dict[RecordKey, dict[str, Any]]
) -> dict[int, list[dict[str, Any]]]:
    """Return how these records differ from archived ones; add to `contents` what was restored meanwhile."""
    if not records:
        return {}
    sent = [(*record.key, content_columns(record)) for record in records.values()]
    archived = compare_archived(sent)
    contents |= stored_contents(
        [record.key for place, record in enumerate(records.values()) if place not in archived]
    )
    return {
        index: _differences_of_hashes(index, record, archived[place])
        for place, (index, record) in enumerate(records.items())
        if place in archived
    }


def _differences_of_hashes(
    index: int, record: ResolvedRecord, archived: ArchivedContent
) -> list[dict[str, Any]]:
    """Of an archived record only its instant and a hash are left to be shown."""
    compared = {
        "occurred_at": (archived.occurred_at, record.claims().get("occurred_at", archived.occurred_at)),
        "content": (f"archived, SHA-256 {archived.stored.hex()}", f"SHA-256 {archived.sent.hex()}"),
    }
    if archived.stored == archived.sent:
        del compared["content"]
    return [
        {
            "index": index,
            "event_id": record.event_id,
            "field": field,
            "stored": _shown(stored),
            "sent": _shown(sent),
        }
        for field, (stored, sent) in compared.items()
        if stored != sent
    ]


def _differences(index: int, record: ResolvedRecord, stored: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "event_id": record.event_id,
            "field": field,
            "stored": _shown(stored[field]),
            "sent": _shown(sent),
        }
        for field, sent in record.claims().items()
        if stored[field] != sent
    ]


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value
