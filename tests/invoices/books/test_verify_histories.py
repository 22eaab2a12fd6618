"""Whatever happens, the second opinion agrees with the closing: random histories, each told by its seed."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Q

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.closing.parking import parked_hours, release
from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, item, record, report
from tests.packages import buy, tokens_product, tpm_product
from usage.ingest.errors import AlreadyReversed
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

HOURS = 6
SERVICES = ("SenseChat", "SenseChat-5", "SenseChat-Vision")
MEASURES = (Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)
BY = "operator@sensenova.example"


@pytest.mark.parametrize("seed", range(8))
def test_the_closing_and_the_second_opinion_agree(seed, acme, globex, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(3)
    chance = random.Random(seed)
    for hour in range(HOURS):
        change_prices(chance, hour=hour, customers=(acme, globex))
        buy_packages(chance, hour=hour, customers=(acme, globex))
        use(chance, hour=hour)
        if hour:
            correct(chance, hour=hour)
        close(hour=hour)

    verified = verify_books(besides=repeat_rating)

    assert [f"{one.hour} {one.bill} {one.what}: {one.text}" for one in verified.findings.first] == []
    assert verified.records == UsageRecord.objects.filter(billing_hour__lt=at(0, hour=HOURS)).count()
    assert verified.lines == ChargeLine.objects.count() > 0


def change_prices(chance, *, hour, customers):
    """Offers, trials and own prices, some of which begin or end within the hour."""
    begin = at(chance.choice((0, 17, 30)), hour=hour)
    end = begin + dt.timedelta(minutes=chance.choice((20, 60, 95)))
    kind = chance.choice(list(Kind))
    unit_price = "0" if kind == Kind.FREE_TRIAL else f"0.{chance.randrange(1, 10**8):08}"
    customer = chance.choice((*customers, None) if kind != Kind.LIST_PRICE else customers)
    lasting = Q(ends_at=None) | Q(ends_at__gt=begin)
    taken = Price.objects.filter(lasting, customer=customer, kind=kind, begins_at__lt=end)
    charged = item(chance.choice(SERVICES[:2]), chance.choice(MEASURES))
    if not taken.filter(billing_item=charged).exists():
        Price.objects.create(
            billing_item=charged,
            customer=customer,
            kind=kind,
            unit_price=Decimal(unit_price),
            begins_at=begin,
            ends_at=end,
        )


def buy_packages(chance, *, hour, customers):
    """Packages of both kinds, most of which run out soon."""
    for number in range(chance.randrange(3)):
        name, customer = f"{hour}-{number}", chance.choice(customers)
        now = at(chance.randrange(60), hour=hour)
        if chance.random() < 0.2:
            buy(customer, tpm_product(name, service=chance.choice(SERVICES)), units=1, now=now)
            continue
        services = chance.sample(SERVICES, chance.randrange(1, 4))
        size, validity = chance.choice((900, 7000, 100_000)), chance.choice((1, 2, 30))
        buy(customer, tokens_product(name, size, services=services, validity=validity), now=now)


def use(chance, *, hour):
    """Calls of both customers, some of them of earlier hours, and some so large that the hour is parked."""
    record(
        *(
            report(
                f"{hour}-{n}",
                customer=chance.choice(("acme", "globex")),
                service=chance.choice(SERVICES),
                occurred_at=at(chance.randrange(60), hour=chance.choice((hour, hour, max(0, hour - 2)))),
                input_tokens=chance.choice((0, 7, 1000, 80_000)),
                output_tokens=chance.randrange(2000),
            )
            for n in range(chance.randrange(12))
        ),
        now=at(59, hour=hour),
    )


def correct(chance, *, hour):
    """Reversals, re-ratings of some earlier hours, and releases of what is parked."""
    now = at(40, hour=hour)
    for used in UsageRecord.objects.filter(reverses=None).order_by("customer_id", "event_id"):
        if chance.random() < 0.15:
            try:
                reverse_record(
                    customer=used.customer, event_id=used.event_id, reason=f"In {hour}.", by=BY, now=now
                )
            except AlreadyReversed:
                continue
    for charged in Price.objects.filter(
        pk__in=chance.sample([*ChargeLine.objects.values_list("price_id", flat=True)] or [0], 1)
    ):
        begin = chance.randrange(hour)
        try:
            order_rerating(
                price=charged,
                from_hour=THE_HOUR + dt.timedelta(hours=begin),
                until_hour=THE_HOUR + dt.timedelta(hours=chance.randrange(begin, hour) + 1),
                unit_price=Decimal(chance.randrange(10**6)) / 10**6,
                reason="Wrong.",
                by=BY,
                now=now,
            )
        except ValidationError:
            continue
    for parked in parked_hours().filter(release=None):
        if chance.random() < 0.5:
            release(parked=parked, reason="Looked at.", by=BY, now=now)
