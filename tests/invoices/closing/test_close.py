import datetime as dt
import hashlib
import re
from decimal import Decimal
from fractions import Fraction
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.models import Customer
from invoices.closing.close import close_due_hours, close_hour
from invoices.closing.seal import seal_of
from invoices.models import ChargeLine, HourlyBill, HourSeal, ParkedHour
from invoices.tasks import close_due_hours as close_due_hours_task
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, commit, price, raw_record, record, report
from usage.models import HOUR, MAX_QUANTITY, BillingHour, UsageRecord

pytestmark = pytest.mark.django_db

IN, OUT, CHARACTERS = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.INPUT_CHARACTERS
MICROSECOND = dt.timedelta(microseconds=1)


def lines(**conditions):
    """What the lines say, in the order of a bill."""
    found = ChargeLine.objects.filter(**conditions).order_by(
        "bill__number", "usage_hour", "billing_item", "price"
    )
    return [(line.service_name, line.measure, line.quantity, line.unit_price, line.amount) for line in found]


def nothing_is_closed():
    """Whether the closing left no trace."""
    return not any(model.objects.exists() for model in (BillingHour, HourlyBill, ChargeLine, HourSeal))


# --- Bills and lines -------------------------------------------------------------------------------


def test_a_call_becomes_a_line_for_input_and_one_for_output(acme):
    record(report(input_tokens=1000, output_tokens=500))

    close()

    assert lines() == [
        ("SenseChat-5", IN, 1000, Decimal("0.04"), Decimal("0.04")),
        ("SenseChat-5", OUT, 500, Decimal("0.1"), Decimal("0.05")),
    ]
    assert HourlyBill.objects.get().amount == Decimal("0.09")


def test_calls_of_one_service_add_up_on_its_lines(acme):
    record(*(report(f"call-{n}", input_tokens=7, output_tokens=n, occurred_at=at(n)) for n in range(10)))

    close()

    assert [line[1:3] for line in lines()] == [(IN, 70), (OUT, 45)]
    assert {line.records for line in ChargeLine.objects.all()} == {10}
    assert HourlyBill.objects.get().records == 10


def test_each_service_and_item_has_its_own_line(acme):
    record(
        report("1", service="SenseChat"),
        report("2", service="SenseChat-32K"),
        report("3", service="nova-embedding-stable", output_tokens=0),
        report("4", service="nova-tts-1", input_tokens=0, output_tokens=0, input_characters=12),
    )

    close()

    assert [line[:3] for line in lines()] == [
        ("SenseChat", IN, 1000),
        ("SenseChat", OUT, 500),
        ("SenseChat-32K", IN, 1000),
        ("SenseChat-32K", OUT, 500),
        ("nova-tts-1", CHARACTERS, 12),
        ("nova-embedding-stable", IN, 1000),
    ]


def test_each_customer_has_one_bill_with_its_own_usage(acme, globex):
    record(*(report(f"call-{n}", service=s) for n, s in enumerate(("SenseChat", "SenseChat-5"))))
    record(report(customer="globex", service="SenseChat"))

    made = close()

    assert {bill.customer: bill.amount for bill in HourlyBill.objects.all()} == {
        acme: Decimal("0.018") + Decimal("0.09"),
        globex: Decimal("0.018"),
    }
    assert (made.bills, made.lines, made.records, made.amount) == (2, 6, 3, Decimal("0.126"))


def test_a_customer_without_usage_gets_no_bill(acme, globex):
    record(report())

    close()

    assert [bill.customer for bill in HourlyBill.objects.all()] == [acme]


def test_a_bill_is_numbered_by_its_hour_and_customer(acme):
    record(report())

    close()

    bill = HourlyBill.objects.get()
    assert bill.number == f"{THE_HOUR:%Y%m%dT%HZ}-acme"
    assert (bill.hour_id, bill.issued_at) == (THE_HOUR, at(65))


def test_a_bill_keeps_the_names_of_its_time(acme):
    record(report())
    close()

    type(acme).objects.update(name="Acme Holding")

    bill = HourlyBill.objects.get()
    assert (bill.customer_code, bill.customer_name) == ("acme", "Acme Ltd")


def test_a_free_trial_is_billed_at_nothing(acme):
    record(report(service="SenseChat-Vision"))

    close()

    assert lines() == [
        ("SenseChat-Vision", IN, 1000, Decimal(0), Decimal(0)),
        ("SenseChat-Vision", OUT, 500, Decimal(0), Decimal(0)),
    ]
    assert {line.price_kind for line in ChargeLine.objects.all()} == {Kind.FREE_TRIAL}
    assert HourlyBill.objects.get().amount == 0


def test_a_call_that_used_nothing_is_on_the_bill(acme):
    record(report(input_tokens=0, output_tokens=0))

    close()

    assert [line[2] for line in lines()] == [0, 0]
    assert HourlyBill.objects.get().records == 1


def test_the_hour_holds_its_first_instant_and_not_its_end(acme):
    record(report("last before", occurred_at=at(0) - MICROSECOND), now=at(0))
    record(report("first", occurred_at=at(0)), report("last", occurred_at=at(60) - MICROSECOND))
    record(report("first after", occurred_at=at(60)))

    close(hour=-1)
    close()

    assert HourlyBill.objects.get(hour=THE_HOUR).records == 2


# --- Which price -----------------------------------------------------------------------------------


def test_a_price_that_begins_within_the_hour_gives_two_lines_that_add_up(acme):
    price("SenseChat", IN, "0.009", begins_at=at(30), kind=Kind.LIMITED_TIME_OFFER)
    for minute in (29, 30, 31):
        record(report(f"at {minute}", service="SenseChat", output_tokens=0, occurred_at=at(minute)))

    close()

    assert lines(measure=IN) == [
        ("SenseChat", IN, 1000, Decimal("0.012"), Decimal("0.012")),
        ("SenseChat", IN, 2000, Decimal("0.009"), Decimal("0.018")),
    ]
    assert HourlyBill.objects.get().amount == Decimal("0.030")


def test_a_price_that_ends_within_the_hour_counts_until_its_end(acme):
    price("SenseChat", IN, "0", begins_at=at(10), ends_at=at(20), kind=Kind.FREE_TRIAL)
    instants = [at(10) - MICROSECOND, at(10), at(20) - MICROSECOND, at(20)]

    record(*(report(str(n), service="SenseChat", occurred_at=instant) for n, instant in enumerate(instants)))
    close()

    assert [(line.price_kind, line.records) for line in ChargeLine.objects.filter(measure=IN)] == [
        (Kind.LIST_PRICE, 2),
        (Kind.FREE_TRIAL, 2),
    ]


def test_a_price_change_of_another_item_does_not_split_a_line(acme):
    price("SenseChat", OUT, "0.01", begins_at=at(30), kind=Kind.LIMITED_TIME_OFFER)
    price("SenseChat-32K", IN, "0.01", begins_at=at(40), kind=Kind.LIMITED_TIME_OFFER)
    record(*(report(f"at {minute}", service="SenseChat", occurred_at=at(minute)) for minute in (20, 35, 50)))

    close()

    assert [(line.measure, line.records) for line in ChargeLine.objects.all()] == [
        (IN, 3),
        (OUT, 1),
        (OUT, 2),
    ]


def test_a_trial_comes_before_an_offer_before_a_list_price(acme):
    price("SenseChat", IN, "0.009", begins_at=at(20), kind=Kind.LIMITED_TIME_OFFER)
    price("SenseChat", IN, "0", begins_at=at(40), kind=Kind.FREE_TRIAL)
    record(*(report(f"at {minute}", service="SenseChat", occurred_at=at(minute)) for minute in (10, 30, 50)))

    close()

    kinds = ChargeLine.objects.filter(measure=IN).values_list("price_kind", flat=True)
    assert [*kinds] == [Kind.LIST_PRICE, Kind.LIMITED_TIME_OFFER, Kind.FREE_TRIAL]


def test_an_own_price_comes_before_everybodys_even_before_a_free_trial(acme, globex):
    price("SenseChat", IN, "0", begins_at=at(0), kind=Kind.FREE_TRIAL)
    price("SenseChat", IN, "0.5", begins_at=at(0), customer=acme)
    record(report(service="SenseChat"), report(service="SenseChat", customer="globex"))

    close()

    charged = {
        line.bill.customer: (line.unit_price, line.is_own_price)
        for line in ChargeLine.objects.filter(measure=IN)
    }
    assert charged == {acme: (Decimal("0.5"), True), globex: (Decimal(0), False)}


def test_of_a_customers_own_prices_the_kind_decides(acme):
    price("SenseChat", IN, "0.02", begins_at=at(0), customer=acme)
    price("SenseChat", IN, "0.03", begins_at=at(0), customer=acme, kind=Kind.LIMITED_TIME_OFFER)
    record(report(service="SenseChat"))

    close()

    assert ChargeLine.objects.get(measure=IN).unit_price == Decimal("0.03")


def test_no_price_can_be_entered_for_hours_that_are_closed(acme):
    record(report(service="SenseChat"))
    close()

    with pytest.raises(IntegrityError, match="closed already"):
        price("SenseChat", IN, "9", begins_at=at(59), kind=Kind.LIMITED_TIME_OFFER)


def test_a_scheduled_price_cannot_be_taken_back_once_its_hour_is_closed(acme):
    soon = at(0, hour=6)  # not begun for the database's clock, begun for a closing whose clock is ahead
    scheduled = price("SenseChat", IN, "9", begins_at=soon, kind=Kind.LIMITED_TIME_OFFER)
    record(report())
    close_due_hours(now=at(65, hour=6))

    for change in (scheduled.delete, lambda: Price.objects.filter(pk=scheduled.pk).update(unit_price=8)):
        with pytest.raises(IntegrityError, match="closed already"), transaction.atomic():
            change()


def test_a_price_cannot_end_in_an_hour_that_is_closed(acme):
    offer = price("SenseChat", IN, "0.01", begins_at=at(0), kind=Kind.LIMITED_TIME_OFFER)
    record(report())
    close_due_hours(now=at(65, hour=6))

    with pytest.raises(IntegrityError, match="closed already"):
        Price.objects.filter(pk=offer.pk).update(ends_at=at(30, hour=6))


def test_a_price_that_began_in_closed_hours_can_end_in_an_open_one(acme):
    offer = price("SenseChat", IN, "0.01", begins_at=at(0), kind=Kind.LIMITED_TIME_OFFER)
    record(report(service="SenseChat"))
    close()

    Price.objects.filter(pk=offer.pk).update(ends_at=at(0, hour=7))

    offer.refresh_from_db()
    assert offer.ends_at == at(0, hour=7)


def test_a_price_can_begin_with_the_earliest_open_hour(acme):
    record(report(service="SenseChat"))
    close()

    price("SenseChat", IN, "9", begins_at=at(60), kind=Kind.LIMITED_TIME_OFFER)

    record(report("next", service="SenseChat", occurred_at=at(60)), now=at(61))
    close(hour=1)
    assert ChargeLine.objects.get(bill__hour=at(60), measure=IN).amount == 9


# --- Late records ----------------------------------------------------------------------------------


def test_a_late_record_is_billed_in_the_earliest_open_hour_at_the_price_of_its_own_time(acme):
    price("SenseChat", IN, "0.01", begins_at=at(0), ends_at=at(60), customer=acme)
    price("SenseChat", IN, "0.02", begins_at=at(60), customer=acme)
    record(report("in time", service="SenseChat"))
    close()

    record(
        report("late", service="SenseChat"),
        report("next", service="SenseChat", occurred_at=at(70)),
        now=at(80),
    )
    close(hour=1)

    bill = HourlyBill.objects.get(hour=at(60))
    late, punctual = bill.lines.filter(measure=IN)
    assert (late.usage_hour, late.is_late, late.amount) == (THE_HOUR, True, Decimal("0.01"))
    assert (punctual.usage_hour, punctual.is_late, punctual.amount) == (at(60), False, Decimal("0.02"))


def test_a_late_record_changes_nothing_in_the_closed_hour(acme):
    record(report())
    close()
    before = [*HourlyBill.objects.values()], [*ChargeLine.objects.values()], [*HourSeal.objects.values()]

    record(report("late"), now=at(80))

    assert (
        [*HourlyBill.objects.values()],
        [*ChargeLine.objects.values()],
        [*HourSeal.objects.values()],
    ) == before


def test_a_record_that_is_many_hours_late_is_billed_once(acme):
    record(report())
    close_due_hours(now=at(65, hour=5))

    record(report("late"), now=at(70, hour=5))
    made = close_due_hours(now=at(65, hour=6))

    assert [(closed.hour, closed.records) for closed in made] == [(at(0, hour=6), 1)]


def test_a_record_posted_twice_is_billed_once(acme):
    record(report())
    record(report())

    close()
    record(report(), now=at(70))
    made = close(hour=1)

    assert made.records == 0
    assert HourlyBill.objects.get().records == 1


# --- When hours close ------------------------------------------------------------------------------


def test_nothing_is_due_before_the_first_record(now):
    made = close_due_hours(now=now)

    assert made == []
    assert nothing_is_closed()


def test_an_hour_is_due_when_its_grace_is_over(acme, settings):
    settings.CLOSING_GRACE = dt.timedelta(minutes=5)
    record(report())

    early = close_due_hours(now=at(65) - MICROSECOND)
    due = close_due_hours(now=at(65))

    assert early == []
    assert [made.hour for made in due] == [THE_HOUR]


def test_an_hour_without_grace_is_still_not_closed_before_its_end(acme, settings):
    settings.CLOSING_GRACE = dt.timedelta(0)
    record(report())

    early = close_due_hours(now=at(60) - MICROSECOND)

    assert early == []
    assert [made.hour for made in close_due_hours(now=at(60))] == [THE_HOUR]


def test_the_database_refuses_to_close_an_hour_before_its_end(acme):
    record(report())

    with pytest.raises(IntegrityError, match="an_hour_is_closed_after_its_end"):
        close_hour(hour=THE_HOUR, now=at(60) - MICROSECOND)

    assert nothing_is_closed()


def test_closing_twice_changes_nothing(acme):
    record(report())
    close()
    before = [*HourlyBill.objects.values()], [*ChargeLine.objects.values()], [*HourSeal.objects.values()]

    made = close()

    assert made is None
    assert (
        [*HourlyBill.objects.values()],
        [*ChargeLine.objects.values()],
        [*HourSeal.objects.values()],
    ) == before


def test_an_hour_does_not_close_before_the_one_before_it(acme):
    record(report("first"), report("next", occurred_at=at(61)))

    made = close(hour=1)

    assert made is None
    assert nothing_is_closed()


def test_an_empty_hour_is_closed_too(acme):
    record(report("first"))
    record(report("third", occurred_at=at(10, hour=2)), now=at(11, hour=2))

    made = close_due_hours(now=at(5, hour=3))

    assert [(closed.hour, closed.records, closed.bills) for closed in made] == [
        (at(0), 1, 1),
        (at(0, hour=1), 0, 0),
        (at(0, hour=2), 1, 1),
    ]


def test_after_thirty_hours_away_every_hour_is_closed_oldest_first(acme):
    for hour in (-30, -17, 0):
        record(report(f"hour {hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))

    made = close_due_hours(now=at(65))

    assert [closed.hour for closed in made] == [at(0, hour=n) for n in range(-30, 1)]
    assert [closed.hour for closed in made if closed.bills] == [at(0, hour=n) for n in (-30, -17, 0)]
    assert sum(closed.records for closed in made) == UsageRecord.objects.count() == 3


def test_the_clock_closes_what_is_due(acme):
    record(report())

    close_due_hours_task()

    assert HourlyBill.objects.get().hour_id == THE_HOUR


def test_the_command_closes_what_is_due_and_says_what_it_made(acme):
    record(report())
    said = StringIO()

    call_command("close_hours", stdout=said)

    first, *_ = said.getvalue().splitlines()
    made = f"{THE_HOUR:%Y-%m-%d %H:%M} UTC: 1 records, 1 bills, 2 lines, 0.09 RMB, in "
    assert re.fullmatch(re.escape(made) + r"\d+\.\d{3} s", first)


def test_the_command_says_when_no_hour_is_due():
    said = StringIO()

    call_command("close_hours", stdout=said)

    assert said.getvalue() == "No hour is due.\n"


# --- Conservation ----------------------------------------------------------------------------------


def parked():
    """Whose hours are parked, and why."""
    return [(parked.customer_id, parked.hour_id, parked.reason) for parked in ParkedHour.objects.all()]


def test_usage_that_no_line_could_hold_parks_its_customers_hour_only(acme, globex):
    record(report(customer="globex"))
    raw_record(input_characters=12)

    made = close()

    assert parked() == [(acme.pk, THE_HOUR, "Input characters: 12 consumed, 0 billed.")]
    assert [bill.customer for bill in HourlyBill.objects.all()] == [globex]
    assert (made.records, made.parked) == (1, 1)


BEFORE_EVERY_PRICE = dt.datetime(2022, 12, 31, 23, tzinfo=dt.UTC)


def test_usage_from_before_every_price_is_parked(acme):
    raw_record(occurred_at=BEFORE_EVERY_PRICE, input_tokens=7)

    close()

    assert parked() == [(acme.pk, THE_HOUR, "Input tokens: 7 consumed, 0 billed.")]


def test_a_record_that_no_bill_could_hold_is_parked(acme):
    raw_record(occurred_at=BEFORE_EVERY_PRICE)

    close()

    assert parked() == [(acme.pk, THE_HOUR, "Records: 1 consumed, 0 billed.")]


def test_usage_of_a_customer_that_does_not_exist_is_parked(acme):
    raw_record(customer=Customer(pk=acme.pk + 1_000), input_tokens=7)

    close()

    assert parked() == [(acme.pk + 1_000, THE_HOUR, "There is no such customer.")]


def test_a_parked_hour_holds_nothing_back(acme):
    raw_record(input_characters=12)
    record(report("next", occurred_at=at(61)))

    made = close_due_hours(now=at(5, hour=2))

    assert [(closed.bills, closed.parked) for closed in made] == [(0, 1), (1, 0)]


# --- Exactness -------------------------------------------------------------------------------------

LARGE = [
    (MAX_QUANTITY, "999999.99999999", 1),
    (MAX_QUANTITY, "0.00000001", 1_000_000),
    (MAX_QUANTITY - 1, "0.12345679", 1000),
    (MAX_QUANTITY - 1, "123456.78912345", 10_000),
    (1, "0.00000001", 1_000_000),
    (3_333_333_333_333_333, "33.33333333", 1_000_000),
]


@pytest.mark.parametrize(("quantity", "unit_price", "unit_size"), LARGE)
def test_amounts_are_exact_to_the_last_digit(quantity, unit_price, unit_size, acme, unbounded):
    price("SenseChat", IN, unit_price, begins_at=at(0), customer=acme, unit_size=unit_size)
    price("SenseChat", OUT, unit_price, begins_at=at(0), customer=acme, unit_size=unit_size)
    record(
        *(report(f"call-{n}", service="SenseChat", input_tokens=quantity, output_tokens=1) for n in range(7))
    )

    close()

    amounts = {line.measure: Fraction(line.amount) for line in ChargeLine.objects.all()}
    exact = {
        measure: 7 * Fraction(n) * Fraction(unit_price) / unit_size
        for measure, n in ((IN, quantity), (OUT, 1))
    }
    assert amounts == exact
    assert Fraction(HourlyBill.objects.get().amount) == sum(exact.values())


# --- Seals -----------------------------------------------------------------------------------------


def test_a_seal_is_the_sha_256_over_the_seal_before_and_the_bills(acme, globex):
    record(report(), report(customer="globex", occurred_at=at(20)))
    record(report("next", occurred_at=at(70)), now=at(80))
    close_due_hours(now=at(5, hour=2))

    chain = b""
    for hour in (THE_HOUR, THE_HOUR + HOUR):
        bills = HourlyBill.objects.filter(sealed_in=hour).order_by("number")
        digests = [hashlib.sha256(as_sealed(bill).encode()).digest() for bill in bills]
        chain = hashlib.sha256(chain + b"".join(digests)).digest()

    assert bytes(HourSeal.objects.get(hour=THE_HOUR + HOUR).sha256) == chain


def as_sealed(bill):
    """The bill as docs and auditors write it: no rounding, no exponent."""
    names = (bill.number, bill.customer_code, bill.customer_name, f"{bill.hour_id:%Y-%m-%d %H:%M:%S.%f}")
    head = (*names, bill.records, f"{bill.amount:f}", f"{bill.issued_at:%Y-%m-%d %H:%M:%S.%f}")
    return "".join(f"{'|'.join(map(str, part))}\n" for part in (head, *map(line_as_sealed, bill.lines.all())))


def line_as_sealed(line):
    names = (line.service_name, line.measure, line.billing_item_id, line.price_id, line.price_kind)
    prices = (int(line.is_own_price), f"{line.unit_price:f}", line.unit_size)
    sums = (line.records, line.quantity, f"{line.amount:f}", line.correction)
    return (f"{line.usage_hour:%Y-%m-%d %H:%M:%S.%f}", *names, *prices, *sums)


def test_a_closing_takes_as_long_as_it_takes(acme):
    record()

    closed, *_ = close_due_hours(now=at(65))

    assert dt.timedelta(0) < closed.took < dt.timedelta(minutes=10)


def test_the_chain_of_seals_verifies(acme):
    for hour in (-2, 0):
        record(report(f"hour {hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))
    close_due_hours(now=at(65))

    seals = HourSeal.objects.select_related("hour")

    assert len(seals) == 3
    assert all(seal_of(hour=s.hour_id, previous=s.hour.previous_id) == bytes(s.sha256) for s in seals)


def test_a_seal_holds_the_totals_of_its_hour(acme, globex):
    record(report(), report(customer="globex", service="nova-embedding-stable", output_tokens=0))

    close()

    seal = HourSeal.objects.get()
    assert (seal.bills, seal.lines, seal.records, seal.amount) == (2, 3, 2, Decimal("0.0905"))


FORGERIES = {
    "another service": "service_name = 'SenseChat'",
    "another measure": "measure = 'input_characters'",
    "another kind of price": "price_kind = 'list_price'",
    "another price": "price_id = price_id + 1",
    "another unit price": "unit_price = unit_price * 2, quantity = quantity / 2",
    "another unit size": "unit_size = 1000000, quantity = quantity * 1000",
    "fewer tokens": "quantity = quantity - 100, amount = (quantity - 100) * unit_price / 1000",
    "another hour": "usage_hour = usage_hour - interval '1 hour'",
    "more calls": "records = records + 1",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_line_that_was_forged_does_not_match_its_seal(forgery, acme):
    record(report())
    close()
    commit()

    with connection.cursor() as cursor:
        # Only whoever owns the tables can do this; the seal is what tells on them.
        cursor.execute("ALTER TABLE invoices_chargeline DISABLE TRIGGER charge_lines_are_append_only")
        cursor.execute(f"UPDATE invoices_chargeline SET {forgery} WHERE measure = 'input_tokens'")  # noqa: S608

    assert seal_of(hour=THE_HOUR, previous=None) != bytes(HourSeal.objects.get().sha256)


def test_a_seal_depends_on_the_seal_before(acme):
    record(report())
    record(report("next", occurred_at=at(70)), now=at(80))
    close_due_hours(now=at(5, hour=2))

    alone = seal_of(hour=at(60), previous=None)

    assert alone != bytes(HourSeal.objects.get(hour=at(60)).sha256)
