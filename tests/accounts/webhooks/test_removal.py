"""Events that were delivered long ago are removed; what was not delivered, or lately, stays."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from accounts.models import WebhookAttempt, WebhookDelivery, WebhookEvent
from accounts.webhooks.removal import remove_old_deliveries
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import endpoint, suspended

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def delivered(acme, key, *, days):
    """An event that was delivered so many days ago; None: not at all."""
    now = clock.now()
    suspended(acme, key, now=now - 100 * DAY)
    delivery = WebhookDelivery.objects.latest("pk")
    if days is not None:
        fields = {"state": "delivered", "next_attempt_at": None, "delivered_at": now - days * DAY}
        WebhookDelivery.objects.filter(pk=delivery.pk).update(**fields)
    WebhookAttempt.objects.create(delivery=delivery, at=now - 100 * DAY, milliseconds=1, status=200)
    return delivery


def test_old_events_go_with_their_attempts_and_the_others_stay(acme):
    endpoint(acme, "http://127.0.0.1/hooks")
    for key, days in (("old", 91), ("young", 89), ("waiting", None)):
        delivered(acme, key, days=days)

    assert [remove_old_deliveries(now=clock.now()) for _ in range(2)] == [1, 0]

    assert [event.key for event in WebhookEvent.objects.order_by("pk")] == ["young", "waiting"]
    assert WebhookAttempt.objects.count() == WebhookDelivery.objects.count() == 2


def test_an_event_stays_until_its_last_delivery_goes(acme):
    for path in ("a", "b"):
        endpoint(acme, f"http://127.0.0.1/{path}")
    second = delivered(acme, "old", days=91)

    assert remove_old_deliveries(now=clock.now()) == 1
    assert [WebhookEvent.objects.count(), WebhookDelivery.objects.get().pk] == [1, second.pk - 1]


@pytest.mark.parametrize("days", [None, 6])
def test_the_database_keeps_what_was_not_delivered_a_week_ago(acme, days):
    endpoint(acme, "http://127.0.0.1/hooks")
    delivered(acme, "1", days=days)

    for model in (WebhookAttempt, WebhookDelivery):
        with pytest.raises(IntegrityError, match="a week ago"), transaction.atomic():
            model.objects.all()._raw_delete("default")
