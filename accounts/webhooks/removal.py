"""Removal of old events: those delivered to every endpoint for so many days, with deliveries and attempts."""

import datetime as dt

from django.conf import settings
from django.db import transaction

from accounts.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEvent

MOST_AT_ONCE = 10_000


@transaction.atomic
def remove_old_deliveries(*, now: dt.datetime) -> int:
    """Remove deliveries that were made WEBHOOK_KEEP_DAYS ago or earlier; return how many.

    An event goes with its last one: what was not delivered stays. At most MOST_AT_ONCE, the oldest first.
    """
    before = now - dt.timedelta(days=settings.WEBHOOK_KEEP_DAYS)
    old = WebhookDelivery.objects.filter(state=DeliveryState.DELIVERED, delivered_at__lte=before)
    rows = dict(old.order_by("delivered_at").values_list("pk", "event_id")[:MOST_AT_ONCE])
    WebhookAttempt.objects.filter(delivery__in=rows)._raw_delete("default")
    WebhookDelivery.objects.filter(pk__in=rows)._raw_delete("default")
    events = WebhookEvent.objects.filter(pk__in=set(rows.values()), deliveries=None)
    WebhookEvent.objects.filter(pk__in=list(events.values_list("pk", flat=True)))._raw_delete("default")
    return len(rows)
