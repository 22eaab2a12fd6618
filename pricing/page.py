"""The price page: what is on sale at an instant, arranged and worded as the source page is."""

import datetime as dt
from dataclasses import dataclass
from itertools import groupby, zip_longest

from django.db.models import Prefetch

from pricing.measures import ORDER, Measure
from pricing.models import (
    BillingItem,
    CallSpecification,
    Price,
    PriceKind,
    Service,
    ServiceGroup,
)


@dataclass(frozen=True)
class PriceText:
    """A price in force: its words, the offer's remark, and the list price that an offer undercuts."""

    words: str
    remark: str = ""
    is_free_trial: bool = False
    list_price: str = ""
    ends_at: dt.datetime | None = None


@dataclass(frozen=True)
class Charged:
    """One or more billing items of a service at one price, e.g. `Input tokens, Output tokens`."""

    items: str
    price: PriceText


@dataclass(frozen=True)
class ServiceRow:
    """A service with its charges; None fills the row up to the width of its table."""

    service: str
    service_id: int
    charges: list[Charged | None]


@dataclass(frozen=True)
class Group:
    """A table of the page; `heading` is empty where the family's heading says it already."""

    heading: str
    description: str
    rows: list[ServiceRow]

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
class CallLimit:
    """The default call specification of a service."""

    service: str
    rpm: int
    tpm: int | None


def price_page(*, at: dt.datetime) -> list[Family]:
    """Return everything on sale at this instant at the prices for everybody."""
    prices = Price.objects.in_force(at=at).for_everybody().by_precedence()
    items = BillingItem.objects.order_by("id").prefetch_related(Prefetch("prices", queryset=prices))
    services = Service.objects.order_by("position", "name").prefetch_related(
        Prefetch("billing_items", queryset=items)
    )
    sections = ServiceGroup.objects.prefetch_related(Prefetch("services", queryset=services))
    families = groupby(sections, key=lambda section: section.family)
    return [
        Family(name, groups)
        for name, own in families
        if (groups := [group for section in own if (group := _group(section)).rows])
    ]


def default_call_limits(*, at: dt.datetime) -> list[CallLimit]:
    """Return the default call specification of every service, in the page's order."""
    specifications = CallSpecification.objects.in_force(at=at).filter(customer=None)
    return [
        CallLimit(one.service.name, one.rpm, one.tpm)
        for one in specifications.select_related("service").order_by(
            "service__group__position", "service__position", "service__name"
        )
    ]


def _group(section: ServiceGroup) -> Group:
    charged = [(service, _charges(service)) for service in section.services.all()]
    on_sale = [(service, charges) for service, charges in charged if charges]
    # As on the source page: one row for all items where no service of the group tells them apart.
    if all(len({charge.price for charge in charges}) == 1 for _, charges in on_sale):
        on_sale = [(service, [_together(charges)]) for service, charges in on_sale]
    columns = max((len(charges) for _, charges in on_sale), default=0)
    return Group(
        heading="" if section.name == section.family else section.name,
        description=section.description,
        rows=[
            ServiceRow(
                service.name, service.pk, [charge for charge, _ in zip_longest(charges, range(columns))]
            )
            for service, charges in on_sale
        ],
    )


def _together(charges: list[Charged]) -> Charged:
    return Charged(", ".join(charge.items for charge in charges), charges[0].price)


def _charges(service: Service) -> list[Charged]:
    items = sorted(service.billing_items.all(), key=lambda item: ORDER[Measure(item.measure)])
    return [
        Charged(Measure(item.measure).label, _price_text(prices))
        for item in items
        if (prices := list(item.prices.all()))
    ]


def _price_text(prices: list[Price]) -> PriceText:
    """Word the first of an item's prices, which is the one that counts."""
    price, *beneath = prices
    words, _, remark = price.text.partition(" (")
    if price.kind == PriceKind.LIST_PRICE:
        return PriceText(words)
    return PriceText(
        words=words,
        remark=remark.removesuffix(")"),
        is_free_trial=price.kind == PriceKind.FREE_TRIAL,
        list_price=next((other.text for other in beneath if other.kind == PriceKind.LIST_PRICE), ""),
        ends_at=price.ends_at,
    )
