"""Closing an hour tells customers' programs of its bills, in the transaction that makes them."""

import pytest

from accounts.models import EventKind, WebhookDelivery, WebhookEvent
from invoices.closing.parking import parked_hours, release
from invoices.models import HourlyBill
from tests.accounts.webhooks.builders import endpoint
from tests.builders import THE_HOUR, at, close, record, report
from tests.querying import statements

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1/hooks"
BY = "operator@sensenova.example"


def test_a_bill_is_announced_to_the_customer_whose_program_wants_it(acme, globex):
    endpoint(acme, URL, kinds=[EventKind.BILL_CLOSED])
    record(report(), report("other", customer="globex"))

    close()

    bill = HourlyBill.objects.get(customer=acme)
    event = WebhookEvent.objects.get()
    assert (event.customer, event.at, event.key) == (acme, at(65), bill.number)
    assert event.payload == {
        "customer": "acme",
        "bill": bill.number,
        "hour": f"{THE_HOUR:%Y-%m-%dT%H:%M:%SZ}",
        "amount": f"{bill.amount.normalize():f}",
        "currency": "CNY",
    }
    assert WebhookDelivery.objects.get().next_attempt_at == at(65)


def test_an_hour_without_usage_of_the_customer_is_no_news(acme, globex):
    endpoint(acme, URL, kinds=[EventKind.BILL_CLOSED])
    record(report(customer="globex"))

    close()

    assert not WebhookEvent.objects.exists()


def test_each_hour_has_its_event_and_one_only(acme):
    endpoint(acme, URL, kinds=[EventKind.BILL_CLOSED])
    record(report(), report("next", occurred_at=at(10, hour=1)), now=at(61, hour=1))

    closed = [close(), close(), close(hour=1)]

    assert [bool(one) for one in closed] == [True, False, True]
    keys = WebhookEvent.objects.order_by("pk").values_list("key", flat=True)
    assert [*keys] == [*HourlyBill.objects.order_by("hour_id").values_list("number", flat=True)]


def test_a_parked_hour_is_announced_when_it_is_billed(acme, settings):
    endpoint(acme, URL, kinds=[EventKind.BILL_CLOSED])
    settings.PARK_ABOVE_AMOUNT = 0
    record()
    close()
    assert not WebhookEvent.objects.exists()

    release(parked=parked_hours().get(), reason="Looked at.", by=BY, now=at(30, hour=1))
    close(hour=1)

    assert WebhookEvent.objects.get().payload["hour"] == f"{THE_HOUR:%Y-%m-%dT%H:%M:%SZ}"


def test_more_customers_and_endpoints_take_no_more_statements(acme, globex):
    record(report(), report("other", customer="globex"))
    with statements() as without:
        close()
    for customer in (acme, globex):
        endpoint(customer, URL, kinds=[EventKind.BILL_CLOSED])
    record(
        report("a", occurred_at=at(10, hour=1)),
        report("b", customer="globex", occurred_at=at(10, hour=1)),
        now=at(61, hour=1),
    )
    with statements() as taken:
        close(hour=1)

    assert len(taken) <= len(without)
    assert WebhookEvent.objects.count() == 2
