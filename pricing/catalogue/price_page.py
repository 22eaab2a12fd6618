"""The price page: what is on sale, arranged and worded as the source page is."""

import datetime as dt
from dataclasses import dataclass
from itertools import groupby, zip_longest

from django.utils.translation import gettext

from pricing.catalogue.offering import CallLimit, Catalog, GroupOnSale, ItemOnSale, ServiceOnSale
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceFact
from pricing.words import kind_name, list_text, measure_name, price_words


@dataclass(frozen=True)
class Upcoming:
    """The words of a price that will count from an instant on."""

    at: dt.datetime
    words: str


@dataclass(frozen=True)
class PriceText:
    """A price in force: its words, the offer's remark, the list price that it undercuts, and what follows."""

    words: str
    remark: str = ""
    badge: str = ""
    is_free_trial: bool = False
    list_price: str = ""
    ends_at: dt.datetime | None = None
    next: Upcoming | None = None


@dataclass(frozen=True)
class Charged:
    """One or more billing items of a service at one price, e.g. `Input tokens, Output tokens`."""

    items: str
    price: PriceText


@dataclass(frozen=True)
class PricedService:
    """A service with its charges; None fills the row up to the width of its table."""

    service: str
    charges: list[Charged | None]


@dataclass(frozen=True)
class Group:
    """A table of the page; `heading` is empty where the family's heading says it already."""

    heading: str
    description: str
    rows: list[PricedService]

    @property
    def columns(self) -> range:
        """One for each pair of columns "Billing Item, Unit Price"."""
        return range(len(self.rows[0].charges))


@dataclass(frozen=True)
class Family:
    """A heading of the page with its groups."""

    name: str
    groups: list[Group]


@dataclass(frozen=True)
class ChangeRow:
    """From an instant on, billing items of a service cost something else."""

    at: dt.datetime
    service: str
    items: str
    before: str
    after: str


def families_of(catalog: Catalog) -> list[Family]:
    """Return the tables of the page under their headings."""
    families = groupby(catalog.groups, key=lambda group: group.family)
    return [Family(name, [_group(group) for group in own]) for name, own in families]


def upcoming_changes(catalog: Catalog) -> list[ChangeRow]:
    """Return every change that is planned, soonest first; items that change alike share a row."""
    services = [service for group in catalog.groups for service in group.services]
    found: dict[tuple[dt.datetime, str, str, str], list[str]] = {}
    for service in services:
        for item in service.items:
            before = item.price
            for change in item.upcoming:
                words = _words(before, item.measure), _words(change.price, item.measure)
                found.setdefault((change.at, service.name, *words), []).append(measure_name(item.measure))
                before = change.price
    rows = [
        ChangeRow(at, service, list_text(items), before, after)
        for (at, service, before, after), items in found.items()
    ]
    return sorted(rows, key=lambda row: row.at)


def call_limits(catalog: Catalog) -> list[tuple[str, CallLimit]]:
    """Return the default call specification of every service that has one, in the page's order."""
    services = [service for group in catalog.groups for service in group.services]
    return [(service.name, service.call_limit) for service in services if service.call_limit]


def _group(group: GroupOnSale) -> Group:
    charged = [(service, _charges(service)) for service in group.services]
    # As on the source page: one row for all items where no service of the group tells them apart.
    if all(len({charge.price for charge in charges}) == 1 for _, charges in charged):
        charged = [(service, [_together(charges)]) for service, charges in charged]
    columns = max(len(charges) for _, charges in charged)
    return Group(
        heading="" if group.name == group.family else group.name,
        description=group.description,
        rows=[
            PricedService(service.name, [charge for charge, _ in zip_longest(charges, range(columns))])
            for service, charges in charged
        ],
    )


def _together(charges: list[Charged]) -> Charged:
    return Charged(list_text(charge.items for charge in charges), charges[0].price)


def _charges(service: ServiceOnSale) -> list[Charged]:
    return [Charged(measure_name(item.measure), shown_price(item)) for item in service.items]


def shown_price(item: ItemOnSale) -> PriceText:
    """Return the price in force as the page shows it, and what follows."""
    words = price_words(item.price, item.measure)
    following = item.upcoming[0] if item.upcoming else None
    upcoming = Upcoming(following.at, _words(following.price, item.measure)) if following else None
    if item.price.kind == Kind.LIST_PRICE:
        return PriceText(words, next=upcoming)
    return PriceText(
        words=words,
        remark=_remark(item.price),
        badge=item.price.kind.badge,
        is_free_trial=item.price.kind == Kind.FREE_TRIAL,
        list_price=_words(item.list_price, item.measure) if item.list_price else "",
        # Not the row's own end: a successor on the same terms continues it.
        ends_at=following.at if following else None,
        next=upcoming,
    )


def _words(price: PriceFact, measure: Measure) -> str:
    words, remark = price_words(price, measure), _remark(price)
    return gettext("%(price)s (%(kind)s)") % {"price": words, "kind": remark} if remark else words


def _remark(price: PriceFact) -> str:
    """Return the kind beside a price; none of a list price, nor of a free trial, which names itself."""
    return "" if price.kind in (Kind.LIST_PRICE, Kind.FREE_TRIAL) else kind_name(price.kind)
