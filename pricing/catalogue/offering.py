"""What is on sale at an instant, at the prices for everybody or for one customer, and when that changes."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from django.db.models import Prefetch, Q, QuerySet

from accounts.models import Customer
from pricing.catalogue.packages import PackageOnSale, instants_of_terms, packages_at, stored_terms
from pricing.models import BillingItem, CallSpecification, PackageTerms, Price, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import ORDER, Measure
from pricing.rules.precedence import PriceChange, PriceFact, changes_after, instants_of, price_in_force


@dataclass(frozen=True)
class ItemOnSale:
    """A billing item with the price in force, the list price beneath an offer or a trial, and what comes."""

    measure: Measure
    price: PriceFact
    list_price: PriceFact | None
    upcoming: tuple[PriceChange, ...]


@dataclass(frozen=True)
class CallLimit:
    """The default call specification of a service."""

    rpm: int
    tpm: int | None
    excludes_cached_input: bool


@dataclass(frozen=True)
class ServiceOnSale:
    """A service with its billing items, and its default call specification if there is one."""

    id: int
    name: str
    items: list[ItemOnSale]
    call_limit: CallLimit | None


@dataclass(frozen=True)
class GroupOnSale:
    """A service group of which something is on sale."""

    family: str
    name: str
    description: str
    services: list[ServiceOnSale]


@dataclass(frozen=True)
class Catalog:
    """All that is on sale; the same from `in_force_from` until before `next_change_at`."""

    groups: list[GroupOnSale]
    packages: list[PackageOnSale]
    in_force_from: dt.datetime | None
    next_change_at: dt.datetime | None


def catalog_at(*, at: dt.datetime) -> Catalog:
    """Return everything on sale at this instant, in the page's order; no price of one customer is in it."""
    return _catalog(_services(None), stored_terms(), at=at, customer=None)


def catalogs_of(*, customer: Customer, at: dt.datetime) -> tuple[Catalog, Catalog]:
    """Return what is on sale to a customer at its own prices, and the same to everybody, from one reading."""
    services, terms = _services(customer), stored_terms()
    own = _catalog(services, terms, at=at, customer=customer.pk)
    return own, _catalog(services, terms, at=at, customer=None)


def _catalog(
    services: list[Service], terms: list[PackageTerms], *, at: dt.datetime, customer: int | None
) -> Catalog:
    groups = [
        GroupOnSale(group.family, group.name, group.description, on_sale)
        for group, its in groupby(services, key=attrgetter("group"))
        if (on_sale := [sold for one in its if (sold := _service(one, at, customer)).items])
    ]
    instants = sorted(_instants(services) | instants_of_terms(terms))
    place = bisect_right(instants, at)
    return Catalog(
        groups=groups,
        packages=packages_at(terms, at=at),
        in_force_from=instants[place - 1] if place else None,
        next_change_at=instants[place] if place < len(instants) else None,
    )


def facts_of(item: BillingItem) -> list[PriceFact]:
    """Return the prices of an item as facts."""
    return [fact_of(price) for price in item.prices.all()]


def fact_of(price: Price) -> PriceFact:
    """Return a price as a fact."""
    return PriceFact(
        id=price.pk,
        item=price.billing_item_id,
        customer=price.customer_id,
        kind=Kind(price.kind),
        unit_price=price.unit_price,
        unit_size=price.unit_size,
        begins_at=price.begins_at,
        ends_at=price.ends_at,
    )


def items_with_prices(customer: Customer | None) -> "Prefetch[str, QuerySet[BillingItem], str]":
    """Read services with their billing items, and those with all their prices for everybody.

    With a customer, its own prices come with them; never those of another.
    """
    prices = Price.objects.filter(Q(customer=None) | Q(customer=customer))
    items = BillingItem.objects.order_by("id").prefetch_related(Prefetch("prices", queryset=prices))
    return Prefetch("billing_items", queryset=items)


def _services(customer: Customer | None) -> list[Service]:
    """Return all services in the order of the page."""
    defaults = CallSpecification.objects.filter(customer=None)
    services = Service.objects.select_related("group").prefetch_related(
        items_with_prices(customer), Prefetch("call_specifications", queryset=defaults)
    )
    return list(services.order_by("group__position", "group__name", "group_id", "position", "name"))


def _service(service: Service, at: dt.datetime, customer: int | None) -> ServiceOnSale:
    items = sorted(service.billing_items.all(), key=lambda item: ORDER[Measure(item.measure)])
    return ServiceOnSale(
        id=service.pk,
        name=service.name,
        items=[sold for item in items if (sold := _item(item, at, customer))],
        call_limit=_call_limit(service, at),
    )


def _item(item: BillingItem, at: dt.datetime, customer: int | None) -> ItemOnSale | None:
    prices = facts_of(item)
    price = price_in_force(prices, customer=customer, at=at)
    if price is None:
        return None
    list_prices = [one for one in prices if one.kind == Kind.LIST_PRICE]
    beneath = price_in_force(list_prices, customer=customer, at=at)
    return ItemOnSale(
        measure=Measure(item.measure),
        price=price,
        list_price=None if beneath == price else beneath,
        upcoming=changes_after(prices, customer=customer, at=at),
    )


def _call_limit(service: Service, at: dt.datetime) -> CallLimit | None:
    return next(
        (
            CallLimit(one.rpm, one.tpm, one.excludes_cached_input)
            for one in service.call_specifications.all()
            if one.begins_at <= at and (one.ends_at is None or at < one.ends_at)
        ),
        None,
    )


def _instants(services: Iterable[Service]) -> set[dt.datetime]:
    """Return the instants at which a price or a call specification begins or ends."""
    prices = [fact for one in services for item in one.billing_items.all() for fact in facts_of(item)]
    limits = [limit for service in services for limit in service.call_specifications.all()]
    ends = {instant for limit in limits for instant in (limit.begins_at, limit.ends_at) if instant}
    return ends.union(instants_of(prices))
