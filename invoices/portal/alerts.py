"""What a customer should know before the next bill: prices that change, offers that end, limits that are hit.

Only services of which something was billed within the last 30 days are named. A price for everybody changes
nothing where the customer's own is in force.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Customer
from invoices.models import ChargeLine
from pricing.models import Price
from pricing.rules.kinds import Kind
from usage.limits.status import ServiceLimitStatus, limit_statuses_of
from usage.limits.stores.windows import StoreUnavailable

LATELY = dt.timedelta(days=30)
AHEAD = dt.timedelta(days=30)
SOON = dt.timedelta(days=14)
MOST = 5


@dataclass(frozen=True)
class PriceAlert:
    """Prices of a service that change or end at one instant."""

    at: dt.datetime
    service: str
    kind: Kind
    is_end: bool


@dataclass(frozen=True)
class Alerts:
    """Everything that the overview names; the soonest and the largest first."""

    prices: list[PriceAlert]
    refused: list[tuple[ServiceLimitStatus, int]]
    in_use: list[ServiceLimitStatus]


def alerts_of(*, customer: Customer, now: dt.datetime) -> Alerts:
    """Read what there is to know as of now."""
    statuses = _limit_statuses(customer, now)
    refused = [(one, sum(one.refused.values())) for one in statuses if one.refused]
    return Alerts(
        prices=_prices(customer, now),
        refused=sorted(refused, key=lambda one: -one[1])[:MOST],
        in_use=[one for one in statuses if one.use.calls][:MOST],
    )


def _prices(customer: Customer, now: dt.datetime) -> list[PriceAlert]:
    used = ChargeLine.objects.filter(bill__customer=customer, bill__hour_id__gte=now - LATELY)
    prices = Price.objects.filter(
        Q(customer=None) | Q(customer=customer),
        billing_item__service__in=used.order_by().values("service").distinct(),
    )
    begin = prices.filter(begins_at__gt=now, begins_at__lte=now + AHEAD)
    end = prices.in_force(at=now).filter(ends_at__lte=now + SOON).exclude(kind=Kind.LIST_PRICE)
    continued = Price.objects.filter(
        billing_item=OuterRef("billing_item"), kind=OuterRef("kind"), begins_at=OuterRef("ends_at")
    )
    alerts = {
        *_alerts(_not_replaced(begin, customer, "begins_at"), is_end=False),
        *_alerts(_not_replaced(end.exclude(Exists(continued)), customer, "ends_at"), is_end=True),
    }
    return sorted(alerts, key=lambda one: (one.at, one.service, one.kind, one.is_end))[:MOST]


def _not_replaced(prices: QuerySet[Price], customer: Customer, instant: str) -> QuerySet[Price]:
    """Return those prices that are the customer's own, or of items without an own price at that instant."""
    own = Price.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=OuterRef(instant)),
        billing_item=OuterRef("billing_item"),
        customer=customer,
        begins_at__lte=OuterRef(instant),
    )
    return prices.filter(Q(customer=customer) | ~Exists(own))


def _alerts(prices: QuerySet[Price], *, is_end: bool) -> Iterable[PriceAlert]:
    instant = "ends_at" if is_end else "begins_at"
    rows = prices.order_by(instant).values_list(instant, "billing_item__service__name", "kind")
    return (PriceAlert(at, service, Kind(kind), is_end) for at, service, kind in rows if at is not None)


def _limit_statuses(customer: Customer, now: dt.datetime) -> list[ServiceLimitStatus]:
    try:
        return limit_statuses_of(customer=customer, now=now)
    except StoreUnavailable:
        return []  # the page of limits says so
