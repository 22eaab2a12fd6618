"""What looks wrong waits for somebody; everybody else is billed."""

from decimal import Decimal

import pytest
from django.db import IntegrityError

from invoices.closing.close import close_due_hours
from invoices.closing.parking import NotReleasable, parked_hours, release
from invoices.closing.seal import seal_of
from invoices.models import ChargeLine, HourlyBill, HourSeal, ParkedHour
from pricing.models import Service, ServiceGroup
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, raw_record, record, report
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, BillingHour

pytestmark = pytest.mark.django_db

BY = "operator@sensenova.example"


@pytest.fixture(autouse=True)
def bounds(settings):
    """An hour may come to 10 RMB."""
    settings.PARK_ABOVE_AMOUNT = Decimal(10)


def costs(rmb: int, event_id: str = "call-1", **fields):
    """Return a report that comes to so many RMB."""
    return report(event_id, input_tokens=25_000 * rmb, output_tokens=0, **fields)


def let_go(*, hour: int = 1):
    """Release the only parked hour while that hour runs."""
    return release(parked=parked_hours().get(), reason="Checked by phone.", by=BY, now=at(30, hour=hour))


def bills():
    """Each bill's hour, the hour in which it is sealed, and its amount, as hours after THE_HOUR."""
    found = HourlyBill.objects.order_by("sealed_in_id", "hour_id")
    return [(bill.hour_id - THE_HOUR, bill.sealed_in_id - THE_HOUR, bill.amount) for bill in found]


def test_an_hour_above_the_bound_is_parked_and_everybody_elses_is_billed(acme, globex):
    record(costs(11), costs(10, customer="globex"))

    made = close()

    assert ParkedHour.objects.get().reason == "11 RMB in an hour is more than 10 RMB."
    assert [bill.customer for bill in HourlyBill.objects.all()] == [globex]
    assert (made.bills, made.parked, made.amount) == (1, 1, 10)


def test_an_hour_with_too_many_lines_is_parked(acme, settings):
    settings.PARK_ABOVE_LINES = 3
    record(report("1"), report("2", service="SenseChat"))

    close()

    assert ParkedHour.objects.get().reason == "4 charge lines are more than 3."


def test_an_hour_far_above_what_is_usual_is_parked(acme, settings):
    settings.PARK_ABOVE_TIMES_USUAL, settings.PARK_UNUSUAL_FROM = Decimal(8), Decimal(5)
    for hour in range(-24, 0):
        record(costs(1, f"hour {hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))
    record(costs(9))

    close_due_hours(now=at(65))

    assert ParkedHour.objects.get().reason == (
        "9 RMB is more than 8 times the usual 1.00 RMB an hour of this customer."
    )


def test_what_is_usual_is_not_known_of_a_new_customer(acme, settings):
    settings.PARK_ABOVE_TIMES_USUAL, settings.PARK_UNUSUAL_FROM = Decimal(8), Decimal(5)
    record(costs(1, "before", occurred_at=at(10, hour=-1)), costs(9))

    close_due_hours(now=at(65))

    assert not ParkedHour.objects.exists()


def a_day_of_bills(customer, *, first):
    """Bills of 1 RMB in 24 hours in turn, from this one on, and hours without any up to THE_HOUR."""
    hours = [THE_HOUR + n * HOUR for n in range(first, 0)]
    BillingHour.objects.bulk_create(
        BillingHour(hour=hour, previous_id=before, closed_at=THE_HOUR)
        for before, hour in zip([None, *hours], hours, strict=False)
    )
    HourlyBill.objects.bulk_create(
        HourlyBill(
            number=f"{hour:%Y%m%dT%HZ}-{customer.code}", customer=customer, hour_id=hour, sealed_in_id=hour,
            customer_code=customer.code, customer_name=customer.name, records=1,
            amount=Decimal(1), issued_at=THE_HOUR,
        )
        for hour in hours[:24]
    )  # fmt: skip
    HourSeal.objects.create(
        hour_id=hours[-1], sha256=bytes(32), bills=0, lines=0, records=0, parked=0, amount=Decimal(0)
    )


@pytest.mark.parametrize(("first", "parked"), [(-7 * 24, True), (-7 * 24 - 1, False)])
def test_what_is_usual_is_that_of_24_bills_within_seven_days(first, parked, acme, settings):
    settings.PARK_ABOVE_TIMES_USUAL, settings.PARK_UNUSUAL_FROM = Decimal(8), Decimal(5)
    a_day_of_bills(acme, first=first)
    record(costs(9))

    close_due_hours(now=at(65))

    assert ParkedHour.objects.exists() is parked


def test_a_record_that_no_line_bills_parks_the_hour_whatever_else_is_billed(acme):
    record()
    raw_record(service=service_without_items())

    close()

    assert ParkedHour.objects.get().reason == "Records: 2 consumed, 1 billed."


def test_what_is_usual_is_that_of_the_customer_and_of_nobody_else(acme, globex, settings):
    settings.PARK_ABOVE_TIMES_USUAL, settings.PARK_UNUSUAL_FROM = Decimal(8), Decimal(5)
    for hour in range(-24, 0):
        fields = {"occurred_at": at(10, hour=hour)}
        record(costs(1, f"hour {hour}", **fields), now=at(11, hour=hour))
        record(costs(9, f"hour {hour}", customer="globex", **fields), now=at(11, hour=hour))
    record(costs(9), costs(9, customer="globex"))

    close_due_hours(now=at(65))

    assert ParkedHour.objects.get().customer == acme


def test_a_credit_above_the_bound_is_parked_as_a_charge_is(acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(20)
    record(costs(11))
    close()
    settings.PARK_ABOVE_AMOUNT = Decimal(10)

    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    close(hour=1)

    assert ParkedHour.objects.get().reason == "-11 RMB in an hour is more than 10 RMB."


def test_a_credit_far_above_what_is_usual_is_parked_as_a_charge_is(acme, settings):
    for hour in range(-24, 0):
        rmb = 9 if hour == -1 else 1
        record(costs(rmb, f"hour {hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))
    reverse_record(customer=acme, event_id="hour -1", reason="A test run.", by=BY, now=at(20))
    close_due_hours(now=at(-1))
    settings.PARK_ABOVE_TIMES_USUAL, settings.PARK_UNUSUAL_FROM = Decimal(5), Decimal(5)

    close_due_hours(now=at(65))

    assert ParkedHour.objects.get().reason == (
        "-9 RMB is more than 5 times the usual 1.33 RMB an hour of this customer."
    )


def test_usage_is_billed_while_an_earlier_hour_is_parked_though_another_customer_reverses(acme, globex):
    record(costs(11), costs(1, customer="globex"))
    close()

    reverse_record(customer=globex, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    record(costs(2, "next", occurred_at=at(75)), now=at(76))
    close(hour=1)

    assert ParkedHour.objects.get().hour_id == THE_HOUR
    assert HourlyBill.objects.get(customer=acme).amount == 2


def test_a_released_hour_is_billed_with_the_next_closing(acme):
    record(costs(11))
    close()
    record(costs(1, "next", occurred_at=at(70)), now=at(71))

    let_go()
    made = close(hour=1)

    hour = at(60) - THE_HOUR
    assert bills() == [(0 * hour, hour, 11), (hour, hour, 1)]
    assert (made.bills, made.records, made.amount, made.parked) == (2, 2, 12, 0)
    assert not parked_hours().exists()


def test_a_released_hour_is_billed_once(acme):
    record(costs(11))
    close()
    let_go()

    close(hour=1)
    made = close(hour=2)

    assert made.bills == 0
    assert HourlyBill.objects.get().number == f"{THE_HOUR:%Y%m%dT%HZ}-acme"


def test_without_a_release_an_hour_stays_parked(acme):
    record(costs(11))
    close()

    close(hour=1)

    assert parked_hours().get().hour_id == THE_HOUR
    assert not HourlyBill.objects.exists()


def test_a_release_does_not_bill_what_does_not_add_up_until_it_does(acme):
    raw_record(service=service_without_items(), input_tokens=7)
    close()
    let_go()

    close(hour=1)

    assert parked_hours().get().reason == "Input tokens: 7 consumed, 0 billed."


def service_without_items():
    """A service that charges for nothing, as no admin can make one."""
    return Service.objects.create(name="unfinished", group=ServiceGroup.objects.get(name="General"))


def test_parked_hours_are_listed_oldest_first(acme, globex):
    record(report(occurred_at=at(-50)), now=at(-49))
    close_due_hours(now=at(5, hour=3))
    places = [(at(0, hour=2), acme), (THE_HOUR, globex), (THE_HOUR, acme)]
    for hour, customer in places:
        ParkedHour.objects.create(
            customer=customer, hour_id=hour, reason="Odd.", records=1, amount=1, parked_at=at(5, hour=3)
        )

    found = [(parked.hour_id, parked.customer) for parked in parked_hours()]

    assert found == places[::-1]


def test_a_release_needs_a_reason(acme):
    record(costs(11))
    close()

    with pytest.raises(NotReleasable, match="Give a reason"):
        release(parked=parked_hours().get(), reason=" ", by=BY, now=at(90))


def test_an_hour_is_released_once(acme):
    record(costs(11))
    close()
    let_go()

    with pytest.raises(NotReleasable, match="released already"):
        let_go()


def test_who_released_what_and_why_is_kept(acme):
    record(costs(11))
    close()

    released = let_go()

    assert (released.released_by, released.reason) == (BY, "Checked by phone.")
    with pytest.raises(IntegrityError, match="never changed"):
        type(released).objects.update(reason="Another.")


def test_usage_reversed_while_it_is_parked_is_billed_after_it(acme):
    record(costs(11), costs(2, "right"))
    close()
    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(80))

    close(hour=1)
    waits = parked_hours().get(hour=at(60)).reason
    for parked in parked_hours():
        release(parked=parked, reason="The test run is reversed.", by=BY, now=at(10, hour=2))
    close(hour=2)

    assert waits == (
        "It corrects what was charged before, and an earlier hour of this customer is still parked."
    )
    assert [amount for *_, amount in bills()] == [13, -11]
    assert ChargeLine.objects.get(correction="reversal", measure=Measure.INPUT_TOKENS).quantity == -275_000


def test_the_seals_hold_for_parked_and_released_hours(acme):
    record(costs(11))
    close()
    let_go()
    close(hour=1)

    first, second = HourSeal.objects.order_by("hour_id")

    assert bytes(first.sha256) == seal_of(hour=THE_HOUR, previous=None)
    assert bytes(second.sha256) == seal_of(hour=at(60), previous=THE_HOUR)
    assert (first.parked, second.parked, second.bills) == (1, 0, 1)
