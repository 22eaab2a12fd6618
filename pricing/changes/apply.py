"""Change the catalogue by rows, all or none, and preview such a change.

A preview is the same writes, rolled back: so what a preview shows is what the database accepts.
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
from django.utils.translation import gettext

from accounts.audit.context import set_audit_context
from pricing.changes.checks.steep import SteepChange, Unconfirmed, steep_changes
from pricing.changes.constraint_messages import constraint_of, refusal_text
from pricing.changes.packages.rows import check_terms, remove_terms, save_terms
from pricing.changes.rows import (
    AT_ONCE,
    DATED,
    SHEETS,
    PackageRow,
    PriceRow,
    RefusedRow,
    Row,
    cells_of,
    key_of,
)
from pricing.changes.stored import StoredCatalogue
from pricing.models import PackageTerms, Price, moment_text
from pricing.stored_words import stored_in_words

_PLACES = {sheet: place for place, sheet in enumerate(SHEETS)}


class RowState(StrEnum):
    """The result of writing a row."""

    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


WRITTEN = {RowState.NEW, RowState.CHANGED, RowState.REMOVED}


@dataclass(frozen=True)
class RowChange:
    """A row with its result, its stored form before, and the reason if it is refused."""

    row: Row
    state: RowState
    before: Row | None = None
    reason: str = ""


@dataclass(frozen=True)
class DryRun:
    """The result of a dry run, with a fingerprint of it, and the changes that need a second confirmation.

    Two runs have the same fingerprint only if they would do the same to the same prices and package terms: it
    covers the other prices of the same billing items, and the other terms of the same products, too.
    """

    changes: list[RowChange]
    fingerprint: str
    steep: list[SteepChange]


class ChangesRefused(Exception):
    """Nothing was changed, because of the rows that are refused among `changes`."""

    def __init__(self, changes: Sequence[RowChange]) -> None:
        super().__init__(" ".join(dict.fromkeys(change.reason for change in changes if change.reason)))
        self.changes = changes


class StalePreview(Exception):
    """The preview is stale: applying the rows now would have another result. Nothing was changed."""


def is_refused(changes: Sequence[RowChange]) -> bool:
    """Whether one of the changes is refused, and so none can be made."""
    return any(change.state == RowState.REFUSED for change in changes)


@contextmanager
def catalogue_locked() -> Iterator[None]:
    """Hold the lock on changes by rows during the block.

    What was read is still true when it is changed, and no two changes deadlock on each other's rows. The wait
    is short: only the rows themselves are computed under the lock.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('pricing: rows are applied'))")
        yield


def database_time() -> dt.datetime:
    """Return the database's time, at which prices, limits or terms end and others begin at once.

    Not the view's: a request that waited for another change must come after it, and the database refuses an
    end before the instant at which the transaction began.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT greatest(now(), clock_timestamp())")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


@contextmanager
def dry_run(*, rows: Sequence[Row], now: dt.datetime) -> Iterator[DryRun]:
    """Let the block see the catalogue as these rows would make it, then roll back."""
    with catalogue_locked(), transaction.atomic():
        yield _write(rows, now)
        transaction.set_rollback(True)


def apply_rows(
    *,
    rows: Sequence[Row],
    by: str,
    reason: str,
    now: dt.datetime,
    seen: str | None = None,
    confirmed: bool = False,
) -> list[RowChange]:
    """Change the catalogue by all of these rows and return what each did; or raise ChangesRefused.

    Raises StalePreview if `seen`, the fingerprint of the approved preview, is not that of these rows now, and
    Unconfirmed if steep changes of prices are among them that were not `confirmed`.
    """
    with catalogue_locked():
        set_audit_context(by=by, reason=reason)
        outcome = _write(rows, now)
        if seen is not None and seen != outcome.fingerprint:
            raise StalePreview
        if is_refused(outcome.changes):
            raise ChangesRefused(outcome.changes)
        if outcome.steep and not confirmed:
            raise Unconfirmed(outcome.steep)
        _check_constraints(outcome.changes)
    return outcome.changes


def _check_constraints(changes: Sequence[RowChange]) -> None:
    """Raise ChangesRefused now rather than fail at the commit, which could not give a reason."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        reason = refusal_text(error)
        raise ChangesRefused(
            [replace(one, state=RowState.REFUSED, reason=reason) for one in changes]
        ) from error


def _write(rows: Sequence[Row], now: dt.datetime) -> DryRun:
    """Write each row that the database takes and return what became of each, in the order given."""
    stored, instant = StoredCatalogue(), database_time()
    rows = [_moved(row, AT_ONCE, instant) for row in rows]
    changes: dict[int, RowChange] = {}
    written: set[tuple[object, ...]] = set()
    for place in sorted(range(len(rows)), key=lambda place: _turn(rows[place], stored)):
        row = rows[place]
        if key_of(row) in written:
            changes[place] = RowChange(row, RowState.REFUSED, reason=gettext("This row is given twice."))
        else:
            changes[place] = _write_row(row, stored, now, instant)
        written.add(key_of(row))
    in_order = _without_gaps([changes[place] for place in range(len(rows))])
    return DryRun(in_order, _fingerprint(in_order, stored, instant), _steep(in_order, stored))


def _steep(changes: Sequence[RowChange], stored: StoredCatalogue) -> list[SteepChange]:
    written = [
        one.row
        for one in changes
        if one.state in WRITTEN and isinstance(one.row, PriceRow) and not _keeps_terms(one.row, one.before)
    ]
    return steep_changes(
        written=written, before=stored.prices_of({(row.service, row.measure) for row in written})
    )


def _keeps_terms(row: PriceRow, before: Row | None) -> bool:
    """Whether a stored price costs the same as before, and only its end moves."""
    return isinstance(before, PriceRow) and row == replace(before, ends_at=row.ends_at)


def _moved(row: Row, of: dt.datetime, to: dt.datetime) -> Row:
    """Return the row with a price or terms that begin or end at the one instant doing so at the other."""
    if not isinstance(row, PackageRow | PriceRow):
        return row
    return replace(
        row,
        begins_at=to if row.begins_at == of else row.begins_at,
        ends_at=to if row.ends_at == of else row.ends_at,
    )


def _fingerprint(changes: Sequence[RowChange], stored: StoredCatalogue, instant: dt.datetime) -> str:
    """Return the fingerprint, in which what happens at once has no instant."""
    rows: list[Row] = [_moved(change.row, instant, AT_ONCE) for change in changes]
    results = [
        [change.state, cells_of(row), cells_of(change.before) if change.before else None]
        for change, row in zip(changes, rows, strict=True)
    ]
    items = {(row.service, row.measure) for row in (one.row for one in changes) if isinstance(row, PriceRow)}
    products = {row.product for row in (one.row for one in changes) if isinstance(row, PackageRow)}
    others: list[Row] = [*stored.prices_of(items), *stored.terms_of(products)]
    beside = sorted(sorted(cells_of(row).items()) for row in others)
    return hashlib.sha256(json.dumps([results, beside], sort_keys=True).encode()).hexdigest()


def _turn(row: Row, stored: StoredCatalogue) -> tuple[int, int]:
    """Return the order in which a row is written: rows that make room come before those that need it."""
    before = stored.row(row)
    if isinstance(row, DATED):
        shortens = isinstance(before, type(row)) and row.ends_at is not None and row != before
        turn = 0 if row.remove else 1 if shortens else 2
    else:
        turn = 0
    return _PLACES[row.sheet], turn


def _write_row(row: Row, stored: StoredCatalogue, now: dt.datetime, instant: dt.datetime) -> RowChange:
    before = stored.row(row)
    if row == before:
        return RowChange(row, RowState.UNCHANGED, before)
    if problem := _problem(row, before, stored, now, instant):
        return RowChange(row, RowState.REFUSED, before, problem)
    instance: models.Model | None = None
    try:
        with transaction.atomic():
            if isinstance(row, PackageRow) and not _only_ends(row, before):
                check_terms(row)
            instance = stored.instance(row)
            if isinstance(row, DATED) and row.remove:
                _remove(instance)
                return RowChange(row, RowState.REMOVED, before)
            instance.clean_fields(exclude=_references(instance))
            _save(instance, row)
    except RefusedRow as refused:
        return RowChange(row, RowState.REFUSED, before, str(refused))
    except ValidationError as error:
        return RowChange(row, RowState.REFUSED, before, " ".join(error.messages))
    except IntegrityError as error:
        return RowChange(row, RowState.REFUSED, before, _refusal(error, instance))
    return RowChange(row, RowState.CHANGED if before else RowState.NEW, before)


def _only_ends(row: PackageRow, before: Row | None) -> bool:
    """Whether stored terms end or go, whatever they hold, and nothing else about them changes."""
    return isinstance(before, PackageRow) and row == replace(before, ends_at=row.ends_at, remove=row.remove)


def _save(instance: models.Model, row: Row) -> None:
    if isinstance(instance, PackageTerms) and isinstance(row, PackageRow):
        save_terms(instance, row)
    else:
        instance.save()


def _remove(instance: models.Model) -> None:
    if isinstance(instance, PackageTerms):
        remove_terms(instance)
    else:
        instance.delete()


def _problem(
    row: Row, before: Row | None, stored: StoredCatalogue, now: dt.datetime, instant: dt.datetime
) -> str:
    """Return what is wrong with a row that the database could not know, or nothing.

    What begins at once begins at this instant of the database's time.
    """
    if isinstance(row, DATED) and row.remove and before is None:
        return gettext("There is no such row to remove.")
    if before is not None:
        return ""
    if isinstance(row, PackageRow) and row.begins_at < instant and stored.was_on_sale(row):
        text = gettext("Terms begin in the future, or at once; it is %(now)s now.")
        return text % {"now": moment_text(now)}
    if (
        isinstance(row, PriceRow)
        and row.begins_at <= now
        and row.begins_at != instant
        and stored.was_on_sale(row)
    ):
        text = gettext(
            "A price begins in the future, or at once; it is %(now)s now. What was used until then keeps the "
            "price it had: choose a later instant."
        )
        return text % {"now": moment_text(now)}
    return ""


def _refusal(error: IntegrityError, instance: models.Model | None) -> str:
    text = refusal_text(error, model=type(instance) if instance else None)
    if isinstance(instance, Price) and constraint_of(error).endswith("do_not_overlap"):
        others = Price.objects.overlapping(instance)
        named = gettext("%(price)s, %(period)s.")
        texts = [named % {"price": other.text, "period": other.period_text} for other in others]
        return f"{text} {' '.join(texts)}".strip()
    return text


def _references(instance: models.Model) -> list[str]:
    """Return the fields that refer to others, whose existence was seen when they were found by name."""
    return [field.name for field in instance._meta.fields if field.is_relation or field.primary_key]


def _without_gaps(changes: list[RowChange]) -> list[RowChange]:
    """Refuse the rows of every item that would be left without a price for everybody at some instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service.name, item.measure, gap_of_item(item.id) FROM pricing_billingitem AS item "
            "JOIN pricing_service AS service ON service.id = item.service_id"
        )
        gaps = {(service, measure): gap for service, measure, gap in cursor.fetchall() if gap}
    return [
        replace(change, state=RowState.REFUSED, reason=stored_in_words(gap))
        if isinstance(change.row, PriceRow)
        and change.state in WRITTEN
        and (gap := gaps.get((change.row.service, change.row.measure)))
        else change
        for change in changes
    ]
