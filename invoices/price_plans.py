"""What a change of prices would do: to the catalogue, to the timeline, and to what real usage costs."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from invoices.simulating import PriceEffect, price_effect
from pricing.applying import WRITTEN, Change, is_refused, planned
from pricing.models import ITEM_ORDER, BillingItem, Price
from pricing.outlook import Outlook, outlook_of, prices_of, span_over
from pricing.sheets import PriceRow, Row, cells_of

EFFECT_OVER = dt.timedelta(days=30)
ALWAYS = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class ItemOutlook:
    """An item's prices as they are and, unless something is refused, as they would be."""

    before: Outlook
    after: Outlook | None


@dataclass(frozen=True)
class Plan:
    """What becomes of each row and, unless one is refused, the effect on the last 30 days."""

    changes: list[Change]
    fingerprint: str
    effect: PriceEffect | None
    outlooks: list[ItemOutlook]

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it can be done."""
        return is_refused(self.changes)

    @property
    def changes_something(self) -> bool:
        """Whether it would do anything at all."""
        return any(change.state in WRITTEN for change in self.changes)


def plan_of(*, rows: Sequence[Row], now: dt.datetime) -> Plan:
    """Work out what these rows would do now, and leave everything as it is."""
    before = prices_of(_items_of(rows))
    with planned(rows=rows, now=now) as changes:
        items = _items_of(rows)
        after = prices_of(items)
        effect = _effect(changes, items, now)
    return Plan(
        changes=_in_order(changes),
        fingerprint=fingerprint(changes),
        effect=effect,
        outlooks=[
            _outlook(item, before.get(item.pk, []), None if is_refused(changes) else after[item.pk], now)
            for item in items
        ],
    )


def _in_order(changes: Sequence[Change]) -> list[Change]:
    """Put the prices of one kind, item and customer together, the earliest first."""
    rows = [change.row for change in changes]
    first: dict[object, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(_series(row), place)
    return sorted(changes, key=lambda change: (first[_series(change.row)], _begin(change.row)))


def _series(row: Row) -> object:
    return (row.service, row.measure, row.customer, row.kind) if isinstance(row, PriceRow) else row


def _begin(row: Row) -> dt.datetime:
    return row.begins_at if isinstance(row, PriceRow) else ALWAYS


def fingerprint_now(*, rows: Sequence[Row], now: dt.datetime) -> str:
    """Return the fingerprint of what these rows would do now."""
    with planned(rows=rows, now=now) as changes:
        return fingerprint(changes)


def fingerprint(changes: Sequence[Change]) -> str:
    """Return what tells one plan from another: equal only if they would do the same."""
    told = [
        [change.state, cells_of(change.row), cells_of(change.before) if change.before else None]
        for change in changes
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def first_difference(changes: Sequence[Change]) -> dt.datetime | None:
    """Return the first instant at which a price would not be what it is; None if no price changes."""
    instants = [
        instant
        for change in changes
        if isinstance(change.row, PriceRow) and change.state in WRITTEN
        for instant in _instants_of(change.row, change)
    ]
    return min(instants, default=None)


def _instants_of(row: PriceRow, change: Change) -> list[dt.datetime]:
    before = change.before
    if not isinstance(before, PriceRow) or row.remove or _terms(row) != _terms(before):
        return [row.begins_at]
    return [instant for instant in (row.ends_at, before.ends_at) if instant is not None]


def _terms(row: PriceRow) -> tuple[object, ...]:
    return row.unit_price, row.unit_size


def _effect(changes: Sequence[Change], items: list[BillingItem], now: dt.datetime) -> PriceEffect | None:
    """Simulate the prices of the first instant that is different: the one place that asks for it."""
    at = first_difference(changes)
    if at is None or is_refused(changes):
        return None
    return price_effect(billing_items=[item.pk for item in items], at=at, since=now - EFFECT_OVER, until=now)


def _items_of(rows: Sequence[Row]) -> list[BillingItem]:
    wanted = {(row.service, row.measure) for row in rows if isinstance(row, PriceRow)}
    items = BillingItem.objects.filter(service__name__in={service for service, _ in wanted})
    return [
        item
        for item in items.select_related("service__group").order_by(*ITEM_ORDER)
        if (item.service.name, item.measure) in wanted
    ]


def _outlook(
    item: BillingItem, before: list[Price], after: list[Price] | None, now: dt.datetime
) -> ItemOutlook:
    span = span_over([*before, *(after or [])], now=now)
    as_it_is = outlook_of(item=item, prices=before, now=now, span=span)
    if after is None:
        return ItemOutlook(as_it_is, None)
    return ItemOutlook(as_it_is, outlook_of(item=item, prices=after, now=now, span=span))
