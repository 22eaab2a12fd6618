"""Notices of prices that change: for each customer that the change concerns, some days before.

A change concerns a customer if another price counts for it from then on, and it has used the service within
the last 30 days or has a price of its own. What changes at one instant is one notice.
"""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from accounts.models import Customer, EventKind
from accounts.notices.notices import notify
from invoices.models import ChargeLine
from invoices.portal.alerts import LATELY
from pricing.catalogue.offering import facts_of
from pricing.models import BillingItem, Price
from pricing.rules.amounts import plain
from pricing.rules.precedence import PriceFact, changes_after, price_in_force
from sensenova_billing.lib.local_time import utc_text

_INSTANT = dt.timedelta(microseconds=1)


def notify_of_price_changes(*, now: dt.datetime) -> int:
    """Write a notice for each customer and instant of a change that is near, once; return how many."""
    until = now + dt.timedelta(days=settings.PRICE_NOTICE_DAYS)
    items = _changing_items(now, until)
    if not items:
        return 0
    concerned = _concerned(items, now)
    found: dict[tuple[int, dt.datetime], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        facts = facts_of(item)
        for customer in concerned[item.pk]:
            for at, change in _changes(item, facts, customer, now, until):
                found[customer, at].append(change)
    customers = Customer.objects.in_bulk({customer for customer, _ in found})
    return sum(_notify(customers[pk], at, changes, now=now) for (pk, at), changes in sorted(found.items()))


def _changing_items(now: dt.datetime, until: dt.datetime) -> list[BillingItem]:
    """Return the items of which a price begins or ends in this span, with all their prices."""
    begins, ends = Q(begins_at__gt=now, begins_at__lte=until), Q(ends_at__gt=now, ends_at__lte=until)
    edges = Price.objects.filter(begins | ends)
    items = BillingItem.objects.filter(pk__in=edges.values("billing_item"))
    return list(items.select_related("service").prefetch_related("prices").order_by("service__name", "pk"))


def _concerned(items: list[BillingItem], now: dt.datetime) -> dict[int, set[int]]:
    """Return by item the customers that have used its service lately or have a price of their own."""
    used: defaultdict[int, set[int]] = defaultdict(set)
    lines = ChargeLine.objects.filter(
        service__in={item.service_id for item in items}, bill__hour_id__gte=now - LATELY
    )
    for service, customer in lines.order_by().values_list("service", "bill__customer").distinct():
        used[service].add(customer)
    own = {item.pk: {price.customer_id for price in item.prices.all() if price.customer_id} for item in items}
    return {item.pk: used[item.service_id] | own[item.pk] for item in items}


def _changes(
    item: BillingItem, facts: list[PriceFact], customer: int, now: dt.datetime, until: dt.datetime
) -> Iterator[tuple[dt.datetime, dict[str, Any]]]:
    for change in changes_after(facts, customer=customer, at=now):
        before = price_in_force(facts, customer=customer, at=change.at - _INSTANT)
        if change.at <= until and before is not None and before.rate != change.price.rate:
            facts_of_change = {"service": item.service.name, "measure": item.measure}
            yield change.at, {**facts_of_change, "before": _terms(before), "after": _terms(change.price)}


def _terms(price: PriceFact) -> dict[str, Any]:
    return {"unit_price": plain(price.unit_price), "unit_size": price.unit_size, "kind": price.kind.value}


@transaction.atomic
def _notify(customer: Customer, at: dt.datetime, changes: list[dict[str, Any]], *, now: dt.datetime) -> bool:
    # Whatever is scheduled otherwise for the same instant is another occasion.
    digest = hashlib.sha256(repr(changes).encode()).hexdigest()[:16]
    payload = {"changes_at": utc_text(at), "changes": changes, "currency": "CNY"}
    facts: dict[str, Any] = {"payload": payload, "key": f"{payload['changes_at']} {digest}"}
    path = reverse("customer_prices", args=[customer.code])
    return notify(customer=customer, kind=EventKind.PRICE_CHANGING, **facts, path=path, now=now)
