"""Corrections and closings that meet: each gets its hour through the barrier, like a record."""

import threading
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Customer
from invoices.closing import close as closing
from invoices.closing.parking import parked_hours, release
from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine, HourlyBill
from pricing.models import Price
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, item, price, record, report
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db(transaction=True)

WHY: dict[str, Any] = {"reason": "It was wrong.", "by": "operator@sensenova.example", "now": at(90)}


def reverse():
    """Take the only call of THE_HOUR back."""
    reverse_record(customer=Customer.objects.get(code="acme"), event_id="call-1", **WHY)


def rerate():
    """Charge the input tokens of THE_HOUR at another price."""
    wrong = Price.objects.get(billing_item=item("SenseChat-5", Measure.INPUT_TOKENS))
    order_rerating(price=wrong, from_hour=THE_HOUR, until_hour=at(60), unit_price=Decimal("0.03"), **WHY)


def let_go():
    """Release the parked THE_HOUR."""
    release(parked=parked_hours().get(), **WHY)


def what_it_made():
    """What the closing of the hour after THE_HOUR sealed: bills and corrections."""
    bills = HourlyBill.objects.filter(sealed_in=at(60))
    return bills.count(), ChargeLine.objects.filter(bill__in=bills).exclude(correction="").count()


MADE = {reverse: (1, 2), rerate: (1, 2), let_go: (1, 0)}


@contextmanager
def on_its_way(threads, deed):
    """Do the deed in a transaction that stays open until this block ends."""
    done, finish = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            deed()
            done.set()
            assert finish.wait(PATIENCE)

    holding = threads.start(hold)
    assert done.wait(PATIENCE)
    try:
        yield
    finally:
        finish.set()
    holding.result(PATIENCE)


@pytest.fixture
def closed(acme, settings, request):
    """THE_HOUR with one call is closed; parked where the deed is a release."""
    settings.PARK_ABOVE_LINES = 1 if request.getfixturevalue("deed") is let_go else 100
    record(report())
    close()


@pytest.mark.parametrize("deed", MADE)
def test_a_correction_on_its_way_while_the_hour_closes_is_on_its_bills(deed, closed):
    with together() as threads:
        with on_its_way(threads, deed):
            closing_it = threads.start(lambda: close(hour=1))
            wait_until_waiting(1)
            assert not closing_it.done()
        closing_it.result(PATIENCE)

    assert what_it_made() == MADE[deed]


@pytest.mark.parametrize("deed", MADE)
def test_without_the_barrier_it_would_be_missed(deed, closed, monkeypatch):
    """The control: the test above fails if the lock does nothing."""
    monkeypatch.setattr(closing, "lock_hour_for_closing", lambda hour: None)

    with together() as threads, on_its_way(threads, deed):
        threads.start(lambda: close(hour=1)).result(PATIENCE)

    assert what_it_made() == (0, 0)


@pytest.mark.parametrize("deed", MADE)
def test_a_correction_after_the_closing_is_on_the_next_bills(deed, closed):
    close(hour=1)

    deed()
    close(hour=2)

    assert HourlyBill.objects.filter(sealed_in=at(0, hour=2)).count() == 1


def offer():
    """Let an offer for SenseChat-5's input tokens begin within THE_HOUR."""
    price(
        "SenseChat-5",
        Measure.INPUT_TOKENS,
        "0.01",
        begins_at=at(5),
        customer=Customer.objects.get(code="acme"),
    )


def test_a_price_on_its_way_while_its_hour_closes_is_the_price_of_that_hour(acme):
    record(report())

    with together() as threads:
        with on_its_way(threads, offer):
            closing_it = threads.start(close)
            wait_until_waiting(1)
        closing_it.result(PATIENCE)

    line = ChargeLine.objects.get(measure=Measure.INPUT_TOKENS)
    assert (line.unit_price, line.is_own_price) == (Decimal("0.01"), True)


def test_of_two_that_reverse_a_record_at_once_one_does(acme):
    record(report())

    with together() as threads:
        with on_its_way(threads, reverse):
            second = threads.start(reverse)
            wait_until_waiting(1, locktype="transactionid")
        second.result(PATIENCE)

    close()
    close(hour=1)
    assert HourlyBill.objects.get(hour=at(60)).records == 1
