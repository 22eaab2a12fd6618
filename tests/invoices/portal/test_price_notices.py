"""Customers are notified once of a change of prices that concerns them, some days before."""

import datetime as dt

import pytest
from django.core import mail

from accounts.models import CustomerNotice, WebhookEvent
from accounts.notices.mail import mail_customer_notices
from invoices.portal.price_notices import notify_of_price_changes
from pricing.models import Price
from tests.accounts.webhooks.builders import endpoint
from tests.builders import at, close, item, price, record

pytestmark = pytest.mark.django_db

WEEK = dt.timedelta(days=7)
CHANGE = at(0) + dt.timedelta(days=20)


@pytest.fixture
def dearer(acme, globex):
    """Acme has used SenseChat-5, whose input is going to cost more."""
    record()
    close()
    replace("0.06")


def replace(unit_price, **fields):
    """End the present price where this one begins."""
    now = Price.objects.filter(
        billing_item=item("SenseChat-5", "input_tokens"), kind="limited_time_offer", **fields
    )
    now.filter(ends_at=None).update(ends_at=CHANGE)
    return price(
        "SenseChat-5", "input_tokens", unit_price, begins_at=CHANGE, unit_size=1000, kind="limited_time_offer"
    )


def notified():
    return list(CustomerNotice.objects.order_by("pk").values_list("customer__code", "payload__changes_at"))


def test_a_change_is_mailed_once_to_those_who_use_the_service(dearer, acme, alice):
    endpoint(acme, "http://127.0.0.1/hooks", kinds=["price.changing"])
    notify_of_price_changes(now=CHANGE - WEEK - dt.timedelta(seconds=1))
    assert notified() == []

    for hours in (0, 1):
        notify_of_price_changes(now=CHANGE - WEEK + dt.timedelta(hours=hours))
    mail_customer_notices(now=CHANGE - WEEK + dt.timedelta(hours=1))

    assert notified() == [("acme", f"{CHANGE:%Y-%m-%dT%H:%M:%SZ}")]
    (change,) = WebhookEvent.objects.get().payload["changes"]
    assert (change["measure"], change["after"]["unit_price"]) == ("input_tokens", "0.06")
    (sent,) = mail.outbox
    assert sent.to == [alice.email]
    assert "SenseChat-5, Input tokens: 0.04 RMB per 1,000, then 0.06 RMB per 1,000" in sent.body


def test_a_change_under_an_own_price_is_no_notice_and_another_plan_is_a_notice_again(dearer, acme):
    own = price(
        "SenseChat-5",
        "input_tokens",
        "0.01",
        begins_at=at(0, hour=1),
        unit_size=1000,
        kind="limited_time_offer",
        customer=acme,
    )
    assert notify_of_price_changes(now=CHANGE - WEEK) == 0

    Price.objects.filter(pk=own.pk).update(ends_at=CHANGE)
    assert notify_of_price_changes(now=CHANGE - WEEK) == 1
    Price.objects.filter(begins_at=CHANGE).update(unit_price="0.07")
    assert notify_of_price_changes(now=CHANGE - WEEK) == 1
