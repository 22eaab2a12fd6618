"""Rows that change the catalogue: what they would do, and doing it, whole or not at all.

Both are the same deed, once taken back and once not: so what a preview shows is what the database accepts.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction

from accounts.audit.context import set_audit_context
from pricing.changes.constraint_messages import constraint_of, refusal_text
from pricing.changes.rows import SHEETS, PriceRow, Row, SpecificationRow, cells_of, key_of
from pricing.changes.stored import StoredCatalogue, UnknownName
from pricing.models import Price

_PLACES = {sheet: place for place, sheet in enumerate(SHEETS)}


class State(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


WRITTEN = {State.NEW, State.CHANGED, State.REMOVED}


@dataclass(frozen=True)
class Change:
    """A row, what becomes of it, what it was before, and why it is refused if it is."""

    row: Row
    state: State
    before: Row | None = None
    reason: str = ""


@dataclass(frozen=True)
class Tried:
    """What becomes of rows, and what tells this from what would become of them another time.

    Two plans have the same fingerprint only if they would do the same to the same prices: those that stand
    beside the rows, on the same billing items, are in it.
    """

    changes: list[Change]
    fingerprint: str


class PlanRefused(Exception):
    """Nothing was changed, because of the rows that are refused among `changes`."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__(" ".join(dict.fromkeys(change.reason for change in changes if change.reason)))
        self.changes = changes


class CatalogueMoved(Exception):
    """Nothing was changed: the rows would not do any more what somebody was shown that they would."""


def is_refused(changes: Sequence[Change]) -> bool:
    """Whether one of them is, and so none of them can be made."""
    return any(change.state == State.REFUSED for change in changes)


@contextmanager
def catalogue_held() -> Iterator[None]:
    """Let nobody else change the catalogue by rows during the block.

    So what was seen is still so when it is changed, and no two wait for each other's rows. The wait is short:
    nothing but the rows themselves is worked out meanwhile.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('pricing: rows are applied'))")
        yield


@contextmanager
def planned(*, rows: Sequence[Row], now: dt.datetime) -> Iterator[Tried]:
    """Let the block see the catalogue as these rows would make it, and take everything back."""
    with catalogue_held(), transaction.atomic():
        yield _write(rows, now)
        transaction.set_rollback(True)


def apply_rows(
    *, rows: Sequence[Row], by: str, reason: str, now: dt.datetime, seen: str | None = None
) -> list[Change]:
    """Change the catalogue by all of these rows and return what each did; or raise PlanRefused.

    Raises CatalogueMoved where `seen`, the fingerprint of the plan that somebody agreed to, is not theirs.
    """
    with catalogue_held():
        set_audit_context(by=by, reason=reason)
        tried = _write(rows, now)
        if seen is not None and seen != tried.fingerprint:
            raise CatalogueMoved
        if is_refused(tried.changes):
            raise PlanRefused(tried.changes)
        _check_constraints(tried.changes)
    return tried.changes


def _check_constraints(changes: Sequence[Change]) -> None:
    """Raise PlanRefused now rather than fail at the commit, so that it is said what is wrong."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        reason = refusal_text(error)
        raise PlanRefused([replace(one, state=State.REFUSED, reason=reason) for one in changes]) from error


def _write(rows: Sequence[Row], now: dt.datetime) -> Tried:
    """Write each row that the database takes and return what became of each, in the order given."""
    stored = StoredCatalogue()
    changes: dict[int, Change] = {}
    written: set[tuple[object, ...]] = set()
    for place in sorted(range(len(rows)), key=lambda place: _turn(rows[place], stored)):
        row = rows[place]
        if key_of(row) in written:
            changes[place] = Change(row, State.REFUSED, reason="This is stated twice.")
        else:
            changes[place] = _write_row(row, stored, now)
        written.add(key_of(row))
    in_order = _without_gaps([changes[place] for place in range(len(rows))])
    return Tried(in_order, _fingerprint(in_order, stored))


def _fingerprint(changes: Sequence[Change], stored: StoredCatalogue) -> str:
    told = [
        [change.state, cells_of(change.row), cells_of(change.before) if change.before else None]
        for change in changes
    ]
    items = {(row.service, row.measure) for row in (one.row for one in changes) if isinstance(row, PriceRow)}
    beside = sorted(sorted(cells_of(row).items()) for row in stored.prices_of(items))
    return hashlib.sha256(json.dumps([told, beside], sort_keys=True).encode()).hexdigest()


def _turn(row: Row, stored: StoredCatalogue) -> tuple[int, int]:
    """Return when a row is written: what makes room, by ending earlier or going, before what needs it."""
    before = stored.row(row)
    if isinstance(row, PriceRow | SpecificationRow):
        shortens = isinstance(before, type(row)) and row.ends_at is not None and row != before
        turn = 0 if row.remove else 1 if shortens else 2
    else:
        turn = 0
    return _PLACES[row.sheet], turn


def _write_row(row: Row, stored: StoredCatalogue, now: dt.datetime) -> Change:
    before = stored.row(row)
    if row == before:
        return Change(row, State.UNCHANGED, before)
    if problem := _problem(row, before, stored, now):
        return Change(row, State.REFUSED, before, problem)
    instance: models.Model | None = None
    try:
        with transaction.atomic():
            instance = stored.instance(row)
            if isinstance(row, PriceRow | SpecificationRow) and row.remove:
                instance.delete()
                return Change(row, State.REMOVED, before)
            instance.clean_fields(exclude=_references(instance))
            instance.save()
    except UnknownName as unknown:
        return Change(row, State.REFUSED, before, str(unknown))
    except ValidationError as error:
        return Change(row, State.REFUSED, before, " ".join(error.messages))
    except IntegrityError as error:
        return Change(row, State.REFUSED, before, _refusal(error, instance))
    return Change(row, State.CHANGED if before else State.NEW, before)


def _problem(row: Row, before: Row | None, stored: StoredCatalogue, now: dt.datetime) -> str:
    """Return what is wrong with a row that the database could not know, or nothing."""
    if isinstance(row, PriceRow | SpecificationRow) and row.remove and before is None:
        return "There is no such row to remove."
    if not isinstance(row, PriceRow) or before is not None:
        return ""
    if row.begins_at <= now and stored.was_on_sale(row):
        return (
            f"A price begins in the future; it is {now:%Y-%m-%d %H:%M} UTC now. What was used until then "
            "keeps the price it had: choose a later instant."
        )
    return ""


def _refusal(error: IntegrityError, instance: models.Model | None) -> str:
    said = refusal_text(error, model=type(instance) if instance else None)
    if isinstance(instance, Price) and constraint_of(error).endswith("do_not_overlap"):
        others = Price.objects.overlapping(instance)
        return f"{said} {' '.join(f'{other.text}, {other.period_text}.' for other in others)}".strip()
    return said


def _references(instance: models.Model) -> list[str]:
    """Return the fields that refer to others, whose existence was seen when they were found by name."""
    return [field.name for field in instance._meta.fields if field.is_relation or field.primary_key]


def _without_gaps(changes: list[Change]) -> list[Change]:
    """Refuse the rows of every item that would be left without a price for everybody at some instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service.name, item.measure, gap_of_item(item.id) FROM pricing_billingitem AS item "
            "JOIN pricing_service AS service ON service.id = item.service_id"
        )
        gaps = {(service, measure): gap for service, measure, gap in cursor.fetchall() if gap}
    return [
        replace(change, state=State.REFUSED, reason=gap)
        if isinstance(change.row, PriceRow)
        and change.state in WRITTEN
        and (gap := gaps.get((change.row.service, change.row.measure)))
        else change
        for change in changes
    ]
