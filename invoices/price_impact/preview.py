"""What a change of prices would do: to the catalogue, to the timeline, and to what real usage costs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from invoices.price_impact.simulate import PriceEffect, price_effects
from invoices.price_impact.warnings import warnings_of
from pricing.catalogue.offering import fact_of
from pricing.changes.apply import WRITTEN, RowChange, RowState, catalogue_locked, dry_run, is_refused
from pricing.changes.checks.steep import SteepChange
from pricing.changes.rows import DATED, AliasRow, PackageRow, PriceRow, Row
from pricing.models import ITEM_ORDER, BillingItem, Price
from pricing.rules.measures import whole_and_parts
from pricing.timeline.differences import differing_intervals
from pricing.timeline.view import Outlook, outlook_of, prices_of, span_over

EFFECT_OVER = dt.timedelta(days=30)
INTERVALS_SHOWN = 4
STALE = _("Prices have changed since the preview, so nothing was changed. Check the new preview below.")
ALWAYS = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class ItemOutlook:
    """An item's prices as they are and, unless something is refused, as they would be."""

    before: Outlook
    after: Outlook | None


@dataclass(frozen=True)
class ChangePreview:
    """The result of each row and, unless one is refused, the effect on the usage of the last 30 days.

    There is an effect for each of the first intervals with other prices; `later_effects` counts the rest.
    `steep` needs a second confirmation, `warnings` may not be meant.
    """

    changes: list[RowChange]
    fingerprint: str
    effects: list[PriceEffect]
    later_effects: int
    outlooks: list[ItemOutlook]
    steep: list[SteepChange]
    warnings: list[str]

    @property
    def days(self) -> int:
        """Over how many days of usage the effects are."""
        return EFFECT_OVER.days

    @property
    def is_refused(self) -> bool:
        """Whether a row is refused, so that nothing can be applied."""
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
            change.state == RowState.CHANGED and isinstance(change.row, AliasRow) for change in self.changes
        )


def preview_of(*, rows: Sequence[Row], now: dt.datetime) -> ChangePreview:
    """Preview what these rows would do now; nothing is changed."""
    with catalogue_locked():
        before = prices_of(_items_of(rows, with_related=True))
        with dry_run(rows=rows, now=now) as outcome:
            items = _items_of(rows)
            related = _items_of(rows, with_related=True)
            after = prices_of(related)
    # The dry run locks the catalogue, so the slow part comes after it.
    changes = outcome.changes
    effects, more = ([], 0) if is_refused(changes) else _effects(before, after, related, now)
    return ChangePreview(
        changes=_in_order(changes),
        fingerprint=outcome.fingerprint,
        effects=effects,
        later_effects=more,
        outlooks=[
            _outlook(item, before.get(item.pk, []), None if is_refused(changes) else after[item.pk], now)
            for item in items
        ],
        steep=[] if is_refused(changes) else outcome.steep,
        warnings=[] if is_refused(changes) else warnings_of(before=before, after=after, now=now),
    )


def _in_order(changes: Sequence[RowChange]) -> list[RowChange]:
    """Put the prices of one kind, item and customer together, and the terms of a product, earliest first."""
    rows = [change.row for change in changes]
    first: dict[object, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(_series(row), place)
    return sorted(changes, key=lambda change: (first[_series(change.row)], _begin(change.row)))


def _series(row: Row) -> object:
    if isinstance(row, PackageRow):
        return row.product
    return (row.service, row.measure, row.customer, row.kind) if isinstance(row, PriceRow) else row


def _begin(row: Row) -> dt.datetime:
    return row.begins_at if isinstance(row, DATED) else ALWAYS


def _effects(
    before: Mapping[int, list[Price]],
    after: Mapping[int, list[Price]],
    items: list[BillingItem],
    now: dt.datetime,
) -> tuple[list[PriceEffect], int]:
    """Return the effects of the first intervals in which prices differ, and how many more there are."""
    facts = [[fact_of(price) for held in prices.values() for price in held] for prices in (before, after)]
    intervals, later = differing_intervals(without=facts[0], changed=facts[1], most=INTERVALS_SHOWN)
    if not intervals:
        return [], 0
    return price_effects(items=items, intervals=intervals, since=now - EFFECT_OVER, until=now), later


def _items_of(rows: Sequence[Row], *, with_related: bool = False) -> list[BillingItem]:
    """Return the billing items of these rows; their wholes and parts too, on which what they cost depends."""
    wanted = {(row.service, row.measure) for row in rows if isinstance(row, PriceRow)}
    if with_related:
        wanted |= {(service, one) for service, measure in wanted for one in whole_and_parts(measure)}
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
