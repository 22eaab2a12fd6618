"""What the catalogue has in store: prices that begin later, and offers that end soon or have no end."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.words import list_text

SOON = dt.timedelta(days=14)
# Announced together, a whole group's prices are many rows and one line.
_ROWS, _LINES, _NAMED = 500, 8, 3
_FIELDS = ("at", "kind", "customer__code", "billing_item__service__name")
_ORDER = ("billing_item__service__position", "billing_item_id")


@dataclass(frozen=True)
class PricesChange:
    """Prices of one kind that begin or end at one instant, for everybody or for one customer."""

    at: dt.datetime | None
    kind: Kind
    customer: str
    prices: int
    services: str


@dataclass(frozen=True)
class PricesAhead:
    """The next changes, the nearest first; offers and trials that end soon, then those without an end."""

    begin: list[PricesChange]
    end: list[PricesChange]


def prices_ahead(*, now: dt.datetime) -> PricesAhead:
    """Return the prices that begin later, and the offers in force that end soon or never."""
    continued = Price.objects.alias(whom=Coalesce("customer_id", 0)).filter(
        billing_item=OuterRef("billing_item"),
        kind=OuterRef("kind"),
        begins_at=OuterRef("ends_at"),
        whom=Coalesce(OuterRef("customer_id"), 0),
    )
    offers = Price.objects.in_force(at=now).exclude(kind=Kind.LIST_PRICE)
    ending = offers.filter(Q(ends_at=None) | Q(ends_at__lte=now + SOON)).exclude(Exists(continued))
    begin = _rows(Price.objects.filter(begins_at__gt=now), "begins_at")
    end = _rows(ending, "ends_at")
    rows = sorted(begin.union(end, all=True), key=_order)
    return PricesAhead(
        *(_changes(row[1:] for row in rows if row[0] == what) for what in ("begins_at", "ends_at"))
    )


def _rows(prices: QuerySet[Price], instant: str) -> QuerySet[Price, tuple[Any, ...]]:
    soonest = (F(instant).asc(nulls_last=True), "kind", "customer__code", *_ORDER)
    named = prices.annotate(what=Value(instant), at=F(instant)).order_by(*soonest)
    return named.values_list("what", *_FIELDS, *_ORDER)[:_ROWS]


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    _, at, kind, customer, _, *place = row
    return at is None, at, kind, customer or "", *place


def _changes(rows: Iterable[tuple[Any, ...]]) -> list[PricesChange]:
    found = []
    for (at, kind, customer), group in groupby(rows, key=lambda row: row[:3]):
        services = [service for _, _, _, service, *_ in group]
        names = list(dict.fromkeys(services))
        text = list_text(names[:_NAMED])
        if len(names) > _NAMED:
            words = {"services": text, "number": len(names) - _NAMED}
            text = gettext("%(services)s and %(number)s more") % words
        found.append(PricesChange(at, Kind(kind), customer or "", len(services), text))
    return found[:_LINES]
