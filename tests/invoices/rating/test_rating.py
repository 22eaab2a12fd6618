from decimal import Decimal

import pytest

from invoices.models import ChargeLine, HourlyBill
from invoices.rating.charges_sql import Charge, charges_so_far
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, price, record, report
from usage.models import HOUR

pytestmark = pytest.mark.django_db

IN = Measure.INPUT_TOKENS


def a_busy_hour(customer):
    """Late and punctual calls of several services, own prices, and prices that change within the hour."""
    price("SenseChat", IN, "0.009", begins_at=at(90), kind=Kind.LIMITED_TIME_OFFER)
    price("SenseChat-5", IN, "0.03333333", begins_at=at(75), customer=customer)
    record(report("first"))
    close()
    record(
        report("late", service="SenseChat", occurred_at=at(59), input_tokens=7),
        *(report(f"{minute}", service="SenseChat", occurred_at=at(minute)) for minute in (61, 89, 90, 119)),
        *(report(f"5-{minute}", occurred_at=at(minute), input_tokens=minute) for minute in (70, 75, 80)),
        report("vision", service="SenseChat-Vision", occurred_at=at(100)),
        report(
            "spoken",
            service="nova-tts-1",
            input_tokens=0,
            output_tokens=0,
            input_characters=3,
            occurred_at=at(62),
        ),
        now=at(121),
    )


def test_the_charges_so_far_are_what_the_closing_bills(acme):
    a_busy_hour(acme)

    so_far = charges_so_far(customer_id=acme.pk, hour=at(60))
    close(hour=1)

    billed = [
        Charge(
            hour=line.usage_hour,
            service=line.service_name,
            measure=line.measure,
            kind=line.price_kind,
            unit_price=line.unit_price,
            unit_size=line.unit_size,
            records=line.records,
            quantity=line.quantity,
            amount=line.amount,
            correction=line.correction,
            is_own_price=line.is_own_price,
            service_id=line.service_id,
        )
        for line in ChargeLine.objects.filter(bill__hour=at(60))
    ]
    assert len(so_far) == 11
    assert sorted(so_far) == sorted(billed)
    assert sum(charge.amount for charge in so_far) == HourlyBill.objects.get(hour=at(60)).amount


def test_charges_so_far_are_one_customers(acme, globex):
    record(report(), report(customer="globex", input_tokens=7))

    (first, *_) = charges_so_far(customer_id=globex.pk, hour=THE_HOUR)

    assert (first.records, int(first.quantity)) == (1, 7)


def test_charges_so_far_are_one_hours(acme):
    record(report(), report("next", occurred_at=at(61)))

    found = charges_so_far(customer_id=acme.pk, hour=THE_HOUR)

    assert [(charge.hour, charge.records) for charge in found] == [(THE_HOUR, 1), (THE_HOUR, 1)]


def test_nothing_used_is_nothing_charged(acme):
    found = charges_so_far(customer_id=acme.pk, hour=THE_HOUR)

    assert found == []


def test_charges_so_far_are_in_the_order_of_the_price_page(acme):
    names = ["nova-embedding-stable", "SenseChat-Character", "SenseChat-128K", "SenseChat-5"]
    record(*(report(name, service=name, output_tokens=0) for name in names))

    found = charges_so_far(customer_id=acme.pk, hour=THE_HOUR)

    services = list(dict.fromkeys(charge.service for charge in found))
    assert services == ["SenseChat-5", "SenseChat-128K", "nova-embedding-stable", "SenseChat-Character"]


def test_an_offer_that_is_announced_does_not_count_yet(acme):
    price("SenseChat", IN, "0.009", begins_at=at(30), kind=Kind.LIMITED_TIME_OFFER)
    record(report(service="SenseChat", occurred_at=at(29)))

    (first, *_) = charges_so_far(customer_id=acme.pk, hour=THE_HOUR)

    assert (first.kind, first.amount) == (Kind.LIST_PRICE, Decimal("0.012"))


def test_a_late_call_is_charged_where_it_will_be_billed(acme):
    record(report())
    close()

    record(report("late"), now=at(70))

    assert charges_so_far(customer_id=acme.pk, hour=THE_HOUR + HOUR)[0].hour == THE_HOUR


@pytest.mark.parametrize(
    ("kind", "unit_price", "is_free"),
    [(Kind.FREE_TRIAL, 0, True), (Kind.FREE_TRIAL, 1, False), (Kind.LIST_PRICE, 0, False)],
)
def test_a_charge_is_free_by_a_trial_that_charges_nothing(kind, unit_price, is_free):
    charge = Charge(THE_HOUR, "SenseChat", IN, kind, Decimal(unit_price), 1000, 1, Decimal(1), Decimal(0), "")

    assert charge.is_free_trial is is_free
