"""Compares the bills of canary customers with a plain sum: quantity posted x price in force at its time."""

import datetime as dt
import logging
from decimal import Decimal

from django.conf import settings

from invoices.models import CanaryHour, CanaryProblem, ChargeLine
from pricing.catalogue.offering import facts_of, items_with_prices
from pricing.models import Service
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.precedence import price_in_force
from usage.billing_hours import hour_of
from usage.models import HOUR

logger = logging.getLogger(__name__)


def check_canaries(*, now: dt.datetime) -> list[CanaryHour]:
    """Check what was posted and was not billed yet; return those with a new problem, to be mailed."""
    waiting = CanaryHour.objects.filter(posted_at__isnull=False, checked_at=None).select_related("customer")
    return [one for one in waiting if _has_new_problem(one, now=now)]


def _has_new_problem(canary: CanaryHour, *, now: dt.datetime) -> bool:
    before = canary.problem
    lines = ChargeLine.objects.filter(bill__customer=canary.customer, usage_hour=canary.hour)
    if billed := list(lines.values_list("amount", flat=True)):
        canary.checked_at, canary.billed, canary.expected = now, exact_sum(billed), plain_sum(canary)
        canary.problem = "" if canary.billed == canary.expected else CanaryProblem.WRONG
    elif now > _due(canary):
        canary.problem = CanaryProblem.LATE
    is_new = canary.problem not in ("", before)
    if is_new:
        canary.mail_after, canary.mailed_at = now, None
    canary.save(
        update_fields=["checked_at", "billed", "expected", "problem", "mail_after", "mailed_at"],
    )
    return is_new


def plain_sum(canary: CanaryHour) -> Decimal:
    """Return what was posted x the price in force at the time of the call; shares no SQL with closing."""
    names = [call["service"] for call in canary.calls]
    services = Service.objects.filter(name__in=names).prefetch_related(items_with_prices(canary.customer))
    items = {(one.name, item.measure): item for one in services for item in one.billing_items.all()}
    amounts = []
    for call in canary.calls:
        at = dt.datetime.fromisoformat(call["occurred_at"])
        for (service, measure), item in items.items():
            if service == call["service"] and measure in call:
                price = price_in_force(facts_of(item), customer=canary.customer_id, at=at)
                assert price is not None, "it was chosen because it has a price"
                amounts.append(
                    amount_of(quantity=call[measure], unit_price=price.unit_price, unit_size=price.unit_size)
                )
    return exact_sum(amounts)


def _due(canary: CanaryHour) -> dt.datetime:
    """Return when it has to be billed: the hour of posting was open, so no later hour is that of its bill."""
    assert canary.posted_at is not None
    return hour_of(canary.posted_at) + HOUR + settings.CLOSING_GRACE + settings.ALARM_UNCLOSED_AFTER
