"""Posts the calls of canary customers through the HTTP API, as any model service would.

A row is written before anything is posted. What was not acknowledged is posted again with the same event ids.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import msgspec
from django.conf import settings

from accounts.models import Customer
from invoices.models import CanaryHour
from pricing.catalogue.offering import facts_of, items_with_prices
from pricing.models import BillingItem, Service
from pricing.rules.measures import Measure
from pricing.rules.precedence import price_in_force
from usage.billing_hours import hour_of
from usage.ingest.payload import UsageReport
from usage.replay.client import BatchRejected, NotAnswered, connect, send_batch

logger = logging.getLogger(__name__)
SERVICES = 3
# Parts of these have prices of their own, so a plain sum is of the wholes only.
MEASURES = (Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.INPUT_CHARACTERS)
# Later than that the API does not take them for sure.
POSTED_WITHIN = dt.timedelta(days=7)


def post_canary_calls(*, now: dt.datetime) -> int:
    """Post the calls of this hour once, and those that were not acknowledged; return how many hours were."""
    for customer in Customer.objects.filter(code__in=settings.CANARY_CUSTOMERS):
        if not CanaryHour.objects.filter(customer=customer, hour=hour_of(now)).exists():
            calls = list(_calls(customer, now=now))
            CanaryHour.objects.get_or_create(customer=customer, hour=hour_of(now), defaults={"calls": calls})
    unposted = CanaryHour.objects.filter(posted_at=None, hour__gt=now - POSTED_WITHIN)
    waiting = unposted.select_related("customer").order_by("hour")
    if not waiting:
        return 0
    with connect(url=settings.CANARY_URL, key=settings.CANARY_KEY) as client:
        return sum(_post(one, client=client, now=now) for one in waiting)


def _calls(customer: Customer, *, now: dt.datetime) -> Iterator[dict[str, Any]]:
    """Make a call of each of the first services that can be priced; the quantities are not round."""
    services = Service.objects.prefetch_related(items_with_prices(customer))
    priced = ((one, _measures(one.billing_items.all(), customer=customer, now=now)) for one in services)
    chosen = [(service, measures) for service, measures in priced if measures][:SERVICES]
    for number, (service, measures) in enumerate(chosen, start=1):
        yield {
            "event_id": f"canary-{hour_of(now):%Y%m%dT%H}-{number}",
            "service": service.name,
            "occurred_at": now.isoformat(),
            **{measure: 997 * number + 7 * place + now.hour for place, measure in enumerate(measures)},
        }


def _measures(items: Iterable[BillingItem], *, customer: Customer, now: dt.datetime) -> list[str]:
    return [
        item.measure
        for item in items
        if item.measure in MEASURES and price_in_force(facts_of(item), customer=customer.pk, at=now)
    ]


def _post(canary: CanaryHour, *, client: httpx.Client, now: dt.datetime) -> bool:
    reports = [
        msgspec.convert({**call, "customer": canary.customer.code}, UsageReport) for call in canary.calls
    ]
    try:
        send_batch(client=client, reports=reports)
    except (NotAnswered, BatchRejected) as error:
        logger.warning("Calls of the canary %s were not taken: %s", canary, error)
        return False
    canary.posted_at = now
    canary.save(update_fields=["posted_at"])
    return True
