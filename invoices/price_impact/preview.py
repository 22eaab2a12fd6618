"""What a change of prices would do: to the catalogue, to the timeline, and to what real usage costs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from invoices.price_impact.simulate import PriceEffect, price_effects
from pricing.catalogue.offering import fact_of
from pricing.changes.apply import WRITTEN, Change, State, catalogue_held, is_refused, planned
from pricing.changes.rows import AliasRow, PriceRow, Row
from pricing.models import ITEM_ORDER, BillingItem, Price
from pricing.timeline.differences import stretches_of
from pricing.timeline.view import Outlook, outlook_of, prices_of, span_over

EFFECT_OVER = dt.timedelta(days=30)
STRETCHES_SHOWN = 4
STALE = (
    "Prices have changed since this was shown, so nothing was done. Below is what it would do now: "
    "look at it again."
)
ALWAYS = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class ItemOutlook:
    """An item's prices as they are and, unless something is refused, as they would be."""

    before: Outlook
    after: Outlook | None


@dataclass(frozen=True)
class Plan:
    """What becomes of each row and, unless one is refused, the effect on the last 30 days.

    There is an effect for each of the first stretches of time on which other prices count, and the number of
    those that come later.
    """

    changes: list[Change]
    fingerprint: str
    effects: list[PriceEffect]
    later_effects: int
    outlooks: list[ItemOutlook]

    @property
    def days(self) -> int:
        """Over how many days of usage the effects are."""
        return EFFECT_OVER.days

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it can be done."""
        return is_refused(self.changes)

    @property
    def changes_something(self) -> bool:
        """Whether it would do anything at all."""
        return any(change.state in WRITTEN for change in self.changes)

    @property
    def changes_prices(self) -> bool:
        """Whether some of it is about prices."""
        return any(change.state in WRITTEN and isinstance(change.row, PriceRow) for change in self.changes)

    @property
    def turns_aliases(self) -> bool:
        """Whether an alias that is there would name another service."""
        return any(
            change.state == State.CHANGED and isinstance(change.row, AliasRow) for change in self.changes
        )


def plan_of(*, rows: Sequence[Row], now: dt.datetime) -> Plan:
    """Work out what these rows would do now, and leave everything as it is."""
    with catalogue_held():
        before = prices_of(_items_of(rows))
        with planned(rows=rows, now=now) as tried:
            items = _items_of(rows)
            after = prices_of(items)
    # Nobody else can change prices while they are planned, so what takes seconds waits until they are not.
    changes = tried.changes
    effects, more = ([], 0) if is_refused(changes) else _effects(before, after, items, now)
    return Plan(
        changes=_in_order(changes),
        fingerprint=tried.fingerprint,
        effects=effects,
        later_effects=more,
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


def _effects(
    before: Mapping[int, list[Price]],
    after: Mapping[int, list[Price]],
    items: list[BillingItem],
    now: dt.datetime,
) -> tuple[list[PriceEffect], int]:
    """Return the effect of the first stretches on which prices differ, and how many more there are."""
    facts = [[fact_of(price) for held in prices.values() for price in held] for prices in (before, after)]
    stretches, later = stretches_of(without=facts[0], changed=facts[1], most=STRETCHES_SHOWN)
    if not stretches:
        return [], 0
    return price_effects(items=items, stretches=stretches, since=now - EFFECT_OVER, until=now), later


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
