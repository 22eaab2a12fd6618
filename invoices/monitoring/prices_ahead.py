"""What the catalogue has in store: prices that begin later, and offers that end soon or have no end."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.words import list_text

SOON = dt.timedelta(days=14)
# Announced together, a whole group's prices are many rows and one line.
_ROWS, _LINES, _NAMED = 500, 8, 3
_FIELDS = ("at", "kind", "customer__code", "billing_item__service__name")


@dataclass(frozen=True)
class PricesChange:
    """Prices of one kind that begin or end at one instant, for everybody or for one customer."""

    at: dt.datetime | None
    kind: Kind
    customer: str
    prices: int
    services: str


def prices_that_begin(*, now: dt.datetime) -> list[PricesChange]:
    """Return the next changes, the nearest first."""
    ahead = Price.objects.filter(begins_at__gt=now).annotate(at=F("begins_at"))
    return _changes(
        ahead.order_by("begins_at", "kind", "customer__code", *_ORDER).values_list(*_FIELDS)[:_ROWS]
    )


def offers_that_end(*, now: dt.datetime) -> list[PricesChange]:
    """Return offers and trials in force that end soon and are not continued, then those without an end."""
    continued = Price.objects.alias(whom=Coalesce("customer_id", 0)).filter(
        billing_item=OuterRef("billing_item"),
        kind=OuterRef("kind"),
        begins_at=OuterRef("ends_at"),
        whom=Coalesce(OuterRef("customer_id"), 0),
    )
    offers = Price.objects.in_force(at=now).exclude(kind=Kind.LIST_PRICE)
    ending = offers.filter(Q(ends_at=None) | Q(ends_at__lte=now + SOON)).exclude(Exists(continued))
    rows = ending.annotate(at=F("ends_at")).order_by(
        F("ends_at").asc(nulls_last=True), "kind", "customer__code", *_ORDER
    )
    return _changes(rows.values_list(*_FIELDS)[:_ROWS])


_ORDER = ("billing_item__service__position", "billing_item_id")


def _changes(rows: Iterable[tuple[dt.datetime | None, str, str | None, str]]) -> list[PricesChange]:
    found = []
    for (at, kind, customer), group in groupby(rows, key=lambda row: row[:3]):
        services = [service for *_, service in group]
        names = list(dict.fromkeys(services))
        text = list_text(names[:_NAMED])
        if len(names) > _NAMED:
            words = {"services": text, "number": len(names) - _NAMED}
            text = gettext("%(services)s and %(number)s more") % words
        found.append(PricesChange(at, Kind(kind), customer or "", len(services), text))
    return found[:_LINES]
