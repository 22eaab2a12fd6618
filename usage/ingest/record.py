"""The one door through which usage enters.

`record_usage` stores a batch whole or not at all; `record_each` stores what it can of reports that do not
belong together, and gives each its own outcome. Both return only after commit. A record is stored once for
ever under (customer, event_id): the same content again is a duplicate, other content is a conflict. So a
sender may repeat any request until it is answered.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, transaction
from psycopg.errors import UniqueViolation

from sensenova_billing.lib.database.time_limits import Work, limit_transaction
from usage.billing_hours import lock_hours_for_ingest
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.payload import UsageReport
from usage.ingest.resolve import ResolvedRecord, resolve, used_call
from usage.ingest.store import Key, copy_rows, insert_rows, stored_contents
from usage.limits.settlement import settle_stored
from usage.refused.errors import UsageError

ATTEMPTS = 5
# PostgreSQL ends one of two transactions that wait for each other; the whole of it may be tried again.
_TRY_AGAIN = {"40001", "40P01"}

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Receipt:
    """How many records of a batch were new, and how many were stored before."""

    accepted: int
    duplicates: int


def record_usage(*, reports: Sequence[UsageReport], now: dt.datetime) -> Receipt:
    """Store these reports, all or none; raise InvalidUsage or UsageConflict if none is stored."""
    rows, problems = resolve(reports=reports, now=now)
    if problems:
        raise InvalidUsage(problems)
    new = _store(rows=rows, now=now)
    settle_stored(calls=map(used_call, new), now=now)
    return Receipt(accepted=len(new), duplicates=len(rows) - len(new))


def _store(*, rows: Mapping[int, ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    distinct = {row[:2]: row for row in rows.values()}
    if len(distinct) == len(rows):
        try:
            return _again(lambda: _copy(rows=list(distinct.values()), now=now))
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
    return _again(lambda: _insert_whole(rows=rows, now=now))


def record_each(*, reports: Sequence[UsageReport], now: dt.datetime) -> list[Receipt | UsageError]:
    """Store each report that can be stored, in one commit, and return every one's own outcome."""
    rows, problems = resolve(reports=reports, now=now)
    outcomes: dict[int, Receipt | UsageError] = (
        _again(lambda: _insert_each(rows=rows, now=now)) if rows else {}
    )
    settle_stored(calls=[used_call(row) for index, row in rows.items() if _is_new(outcomes[index])], now=now)
    for problem in problems:
        outcomes[problem.index] = InvalidUsage([replace(problem, index=0)])
    return [outcomes[index] for index in range(len(reports))]


def _is_new(outcome: Receipt | UsageError) -> bool:
    return isinstance(outcome, Receipt) and outcome.accepted == 1


def _again(deed: Callable[[], Outcome]) -> Outcome:
    for _ in range(ATTEMPTS - 1):
        try:
            return deed()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _TRY_AGAIN:
                raise
    return deed()


@transaction.atomic
def _copy(*, rows: Sequence[ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    limit_transaction(Work.REPORT)
    copy_rows(rows=rows, billing_hours=lock_hours_for_ingest({row.hour for row in rows}), now=now)
    return rows


@transaction.atomic
def _insert_whole(*, rows: Mapping[int, ResolvedRecord], now: dt.datetime) -> Sequence[ResolvedRecord]:
    limit_transaction(Work.REPORT)
    new, differences = _insert(rows=rows, now=now)
    if differences:
        raise UsageConflict([difference for found in differences.values() for difference in found])
    firsts = {row.key: row for row in rows.values()}
    return [firsts[key] for key in new]


# No transaction is needed around it: one statement stores, and what is stored never changes.
def _insert_each(*, rows: Mapping[int, ResolvedRecord], now: dt.datetime) -> dict[int, Receipt | UsageError]:
    new, differences = _insert(rows=rows, now=now)
    outcomes: dict[int, Receipt | UsageError] = {}
    for index, row in rows.items():
        if index in differences:
            outcomes[index] = UsageConflict([difference | {"index": 0} for difference in differences[index]])
        else:
            outcomes[index] = Receipt(accepted=int(row.key in new), duplicates=int(row.key not in new))
            new.discard(row.key)  # the same record once more is a duplicate of the first
    return outcomes


def _insert(
    *, rows: Mapping[int, ResolvedRecord], now: dt.datetime
) -> tuple[set[Key], dict[int, list[dict[str, Any]]]]:
    """Store what is new; return its keys, and how rows differ from what has their key, by index."""
    firsts: dict[Key, ResolvedRecord] = {}
    for row in rows.values():
        firsts.setdefault(row.key, row)
    new = insert_rows(rows=firsts.values(), now=now)
    contents = stored_contents([key for key in firsts if key not in new])
    contents |= {key: firsts[key].content() for key in new}
    differences = {index: _differences(index, row, contents[row.key]) for index, row in rows.items()}
    return new, {index: found for index, found in differences.items() if found}


def _differences(index: int, row: ResolvedRecord, stored: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "event_id": row.event_id,
            "field": field,
            "stored": _shown(stored[field]),
            "sent": _shown(sent),
        }
        for field, sent in row.claims().items()
        if stored[field] != sent
    ]


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value
