"""Notices that RPM or TPM often refuse a customer's calls: once a day for a service."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts.models import Customer, EventKind
from accounts.notices.notices import notify
from pricing.models import Service
from sensenova_billing.lib.local_time import utc_text
from usage.billing_hours import hour_of
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import Refusal, StoreUnavailable, WindowId
from usage.models import UsageRecord

LIMITS = (Refusal.RPM, Refusal.TPM)


def notify_of_limits(*, now: dt.datetime) -> int:
    """Write a notice for each customer and service with many calls refused in this hour; return how many.

    Many are at least as many as LIMIT_NOTICE_CALLS, and LIMIT_NOTICE_PERCENT of all calls of the hour.
    """
    refused = _refused(now) if settings.LIMIT_NOTICE_CALLS > 0 else {}
    often = {
        window for window, counts in refused.items() if sum(counts.values()) >= settings.LIMIT_NOTICE_CALLS
    }
    customers = Customer.objects.in_bulk({customer for customer, _ in often})
    services = Service.objects.in_bulk({service for _, service in often})
    return sum(
        _notify(customers[customer], services[service], refused[customer, service], now=now)
        for customer, service in sorted(often)
        if customer in customers and service in services  # the store holds ids only
    )


def _refused(now: dt.datetime) -> Mapping[WindowId, Mapping[Refusal, int]]:
    """Return the calls of this hour that were refused by each limit, by customer and service."""
    refused: defaultdict[WindowId, dict[Refusal, int]] = defaultdict(dict)
    try:
        for one in call_windows().refusals(hours=0):
            if one.refusal in LIMITS:
                refused[one.customer_id, one.service_id][one.refusal] = one.calls
    except StoreUnavailable:
        return {}  # the next round counts the same hour
    return refused


@transaction.atomic
def _notify(customer: Customer, service: Service, counts: Mapping[Refusal, int], *, now: dt.datetime) -> bool:
    day = now.astimezone(ZoneInfo(customer.time_zone)).date()
    key, hour, calls = f"{service.pk} {day}", hour_of(now), sum(counts.values())
    if customer.notices.filter(kind=EventKind.LIMIT_OFTEN_REACHED, key=key).exists():
        return False
    made = UsageRecord.objects.filter(customer=customer, service=service, billing_hour=hour, reverses=None)
    all_calls = calls + made.count()
    if calls * 100 < settings.LIMIT_NOTICE_PERCENT * all_calls:
        return False
    payload = {
        "service": service.name,
        "hour_at": utc_text(hour),
        "refused_by_rpm": counts.get(Refusal.RPM, 0),
        "refused_by_tpm": counts.get(Refusal.TPM, 0),
        "calls": all_calls,
    }
    facts: dict[str, Any] = {"payload": payload, "key": key}
    path = reverse("customer_limits", args=[customer.code])
    return notify(customer=customer, kind=EventKind.LIMIT_OFTEN_REACHED, **facts, path=path, now=now)
