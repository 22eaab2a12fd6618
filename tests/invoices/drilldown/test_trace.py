"""Every amount leads to its records and every record to its amounts, and the two ways agree."""

import datetime as dt
import itertools
import random
from decimal import Decimal

import pytest
from django.db import connection

from invoices.closing.parking import parked_hours, release
from invoices.corrections.rerate import order_rerating
from invoices.drilldown.trace.lines import differing_intervals, records_of
from invoices.drilldown.trace.records import BillingState, RecordTrace, trace_record
from invoices.models import ChargeLine, Correction
from pricing.models import Price, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, item, price, raw_record, record, report
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

IN, OUT = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS
TICK = dt.timedelta(microseconds=1)
BY = "operator@sensenova.example"


def reverse(customer, event_id="call-1", *, hour=1):
    """Take this record back while the hour so many after THE_HOUR runs."""
    return reverse_record(
        customer=customer, event_id=event_id, reason="A test run.", by=BY, now=at(10, hour=hour)
    )


def rerate(unit_price, *, hour=1, service="SenseChat-5"):
    """Re-rate THE_HOUR's input tokens while the hour so many after it runs."""
    order_rerating(
        price=Price.objects.filter(billing_item=item(service, IN), customer=None).earliest("begins_at"),
        from_hour=THE_HOUR,
        until_hour=at(60),
        unit_price=Decimal(unit_price),
        reason="The price list said so.",
        by=BY,
        now=at(30, hour=hour),
    )


def line(correction="", measure=IN, **filters):
    """The only such charge line."""
    return ChargeLine.objects.get(correction=correction, measure=measure, **filters)


def ids(found):
    """The event ids of these records, in order."""
    return sorted(found.values_list("event_id", flat=True))


def traced(customer, event_id="call-1") -> RecordTrace:
    """What is known of this record, which there is."""
    found = trace_record(customer=customer, event_id=event_id)
    assert found is not None
    return found


def said(shares):
    """What each share says: correction, measure, quantity and amount."""
    return [(one.line.correction, one.line.measure, one.quantity, one.amount) for one in shares]


def an_eventful_day(acme, globex):
    """Late calls, own prices, prices that change within the hour, reversals and re-ratings on four bills."""
    price("SenseChat", IN, "0.009", begins_at=at(30), ends_at=at(45), kind=Kind.LIMITED_TIME_OFFER)
    price("SenseChat-5", IN, "0.03333333", begins_at=at(15), ends_at=at(75), customer=acme)
    price("SenseChat-5", OUT, "0.09", begins_at=at(20), customer=globex)
    for code in ("acme", "globex"):
        record(
            *(
                report(f"{service} {minute}", customer=code, service=service, occurred_at=at(minute))
                for service in ("SenseChat-5", "SenseChat", "SenseChat-Vision")
                for minute in (0, 14.999, 15, 29, 30, 44, 45, 59, 60, 75, 90)
            ),
            report("nothing", customer=code, input_tokens=0, occurred_at=at(7)),
            now=at(91),
        )
    close()
    record(report("late", input_tokens=2**53, occurred_at=at(31)), report("later", service="SenseChat"))
    for event_id in ("SenseChat 15", "SenseChat-5 60", "SenseChat-5 0"):
        reverse(acme, event_id)
    rerate("0.011")
    close(hour=1)
    reverse(acme, "later", hour=2)
    reverse(acme, "SenseChat-5 14.999", hour=2)
    rerate("0.017", hour=2)
    rerate("0.003", hour=2, service="SenseChat")
    close(hour=2)
    reverse(acme, "SenseChat-5 15", hour=3)
    close(hour=3)


# --- From a line to its records --------------------------------------------------------------------


def test_the_records_of_every_line_are_its_count_its_quantity_and_its_amount(acme, globex, unbounded):
    an_eventful_day(acme, globex)
    lines = list(ChargeLine.objects.select_related("bill", "corrects__bill"))

    for one in lines:
        found = list(records_of(line=one))
        assert sum(each.quantity for each in found) == one.quantity
        assert sum(each.amount for each in found) == one.amount
        assert len(found) == one.records or one.rerating_id

    assert {one.correction for one in lines} == set(Correction.values)
    assert len(lines) > 40


@pytest.mark.parametrize("seed", range(12))
def test_the_records_of_an_hour_of_any_kind_are_its_lines_counts_and_quantities(acme, unbounded, seed):
    any_hour(acme, random.Random(seed))
    assert {one.correction for one in ChargeLine.objects.all()} == set(Correction.values)

    for one in ChargeLine.objects.select_related("bill", "corrects__bill"):
        found = list(records_of(line=one))
        assert sum(each.quantity for each in found) == one.quantity
        assert sum(each.amount for each in found) == one.amount
        assert len(found) == one.records or one.rerating_id


def any_hour(acme, chance):
    """Prices of every kind that begin and end at any instant, calls on and beside those instants."""
    instants = sorted(at(chance.uniform(0, 60)) for _ in range(8))
    for kind, customer in itertools.product(Kind, (acme, None)):
        if kind == Kind.LIST_PRICE and customer is None:
            continue  # the catalogue's, without an end
        begin, end = sorted(chance.sample(instants, 2))
        unit_price = "0" if kind == Kind.FREE_TRIAL else f"0.{chance.randrange(1, 10**8):08}"
        price("SenseChat", IN, unit_price, begins_at=begin, ends_at=end, kind=kind, customer=customer)
    times = [instant + step * TICK for instant in instants for step in (-1, 0, 1)]
    chance.shuffle(times)
    for hour, some in enumerate((times[:10], times[10:20], times[20:])):
        # The first are punctual, the others late.
        record(
            *(
                report(f"{hour} {n}", service="SenseChat", occurred_at=time, input_tokens=n)
                for n, time in enumerate(some)
            )
        )
        close(hour=hour)
        for n in chance.sample(range(len(some)), 2):
            reverse(acme, f"{hour} {n}", hour=hour + 1)
        if hour:
            rerate(f"0.0{chance.randrange(1, 1000)}", hour=hour + 1, service="SenseChat")
    close(hour=3)


def test_both_ways_agree_and_every_record_is_on_a_line_once_for_each_billing_item(acme, globex, unbounded):
    an_eventful_day(acme, globex)
    there = {
        (one.pk, each.pk, each.quantity, each.amount)
        for one in ChargeLine.objects.select_related("bill", "corrects__bill")
        for each in records_of(line=one)
    }

    back = {
        (share.line.pk, each.pk, share.quantity, share.amount)
        for each in UsageRecord.objects.select_related("customer")
        for found in [traced(each.customer, each.event_id)]
        for share in [*found.lines, *found.reratings]
    }

    assert there == back
    records = list(UsageRecord.objects.select_related("customer"))
    assert len(records) > 10
    for each in records:
        found = traced(each.customer, each.event_id)
        assert found.billing_state == BillingState.BILLED
        assert [share.line.measure for share in found.lines] == [IN, OUT]


def test_a_price_that_changes_within_the_hour_parts_its_records(acme):
    price("SenseChat-5", IN, "0.03", begins_at=at(30), kind=Kind.LIMITED_TIME_OFFER, customer=acme)
    record(*(report(f"{minute}", occurred_at=at(minute)) for minute in (10, 29.999, 30, 50)))
    close()

    before, after = ChargeLine.objects.filter(measure=IN).order_by("-unit_price")

    assert (ids(records_of(line=before)), ids(records_of(line=after))) == (["10", "29.999"], ["30", "50"])
    assert ids(records_of(line=line(measure=OUT))) == ["10", "29.999", "30", "50"]


def test_a_price_that_is_overridden_for_a_while_counts_in_two_stretches(acme):
    price("SenseChat", IN, "0", begins_at=at(20), ends_at=at(40), kind=Kind.FREE_TRIAL)
    record(*(report(f"{minute}", service="SenseChat", occurred_at=at(minute)) for minute in (10, 20, 40)))
    close()
    listed = line(price_kind=Kind.LIST_PRICE)

    intervals = differing_intervals(line=listed, customer_id=acme.pk)

    assert intervals == [(at(0), at(20)), (at(40), at(60))]
    assert ids(records_of(line=listed)) == ["10", "40"]


def test_late_records_are_behind_the_late_line(acme):
    record(report("punctual"))
    close()
    record(report("late"), report("next", occurred_at=at(70)), now=at(80))
    close(hour=1)

    late = line(bill__hour=at(60), usage_hour=THE_HOUR)

    assert ids(records_of(line=late)) == ["late"]


def test_another_customers_records_are_not_behind_the_line(acme, globex):
    record(report("acme's"), report("globex's", customer="globex"))
    close()

    assert ids(records_of(line=line(bill__customer=globex))) == ["globex's"]


def test_a_reversal_leads_to_the_records_that_take_back_its_lines_records(acme):
    record(report("1"))
    close()
    record(report("2"))
    close(hour=1)
    taken_back = [reverse(acme, event_id, hour=2).event_id for event_id in ("1", "2")]
    close(hour=2)

    reversals = [line("reversal", corrects__bill__hour=hour) for hour in (THE_HOUR, at(60))]

    assert [ids(records_of(line=one)) for one in reversals] == [[event_id] for event_id in taken_back]


def test_a_rerating_leads_to_what_was_left_of_the_line(acme):
    record(report("reversed before"), report("on the same bill"), report("after"), report("right"))
    close()
    reverse(acme, "reversed before")
    close(hour=1)
    reverse(acme, "on the same bill", hour=2)
    rerate("0.03", hour=2)
    close(hour=2)
    reverse(acme, "after", hour=3)
    close(hour=3)

    found = [records_of(line=line(correction)) for correction in ("taken_back", "charged_anew")]

    assert [ids(each) for each in found] == [["after", "right"]] * 2
    assert [sum(one.quantity for one in each) for each in found] == [-2000, 2000]


def test_corrections_on_bills_that_were_parked_lead_to_their_records(acme, settings):
    record(report("reversed"), report("right"))
    close()
    settings.PARK_ABOVE_AMOUNT = Decimal(10)
    record(report("much", input_tokens=10**6, occurred_at=at(70)), now=at(71))
    rerate("0.03")
    close(hour=1)
    reverse(acme, "reversed", hour=2)
    close(hour=2)
    for parked in parked_hours():
        release(parked=parked, reason="Checked by phone.", by=BY, now=at(10, hour=3))
    close(hour=3)

    lines = list(ChargeLine.objects.select_related("bill", "corrects__bill"))
    assert {one.correction for one in lines} == set(Correction.values)
    for one in lines:
        assert sum(each.quantity for each in records_of(line=one)) == one.quantity
    assert ids(records_of(line=line("charged_anew"))) == ["reversed", "right"]
    assert traced(acme, "reversed").amount == 0


def test_an_hours_records_are_found_by_its_index(acme):
    record(report("1"), report("2"))
    close()
    reverse(acme, "1")
    rerate("0.03")
    close(hour=1)
    later = [report(f"later {n}", occurred_at=at(10, hour=2)) for n in range(500)]
    record(*later, now=at(11, hour=2))

    lines = list(ChargeLine.objects.select_related("bill", "corrects__bill"))
    assert {one.correction for one in lines} == set(Correction.values)
    for one in lines:
        plan = plan_of(records_of(line=one).order_by("occurred_at", "event_id")[:101])
        assert "Seq Scan on usage_usagerecord" not in plan
        assert "records_of_an_hour" in plan or "reversals_of_an_hour" in plan


def plan_of(records):
    """How PostgreSQL would read these records from a table of many more, whose statistics are up to date."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE usage_usagerecord")
        cursor.execute("SET LOCAL enable_seqscan = off")
    return records.explain()


# --- From a record to its lines --------------------------------------------------------------------


def test_a_record_leads_to_a_line_for_each_billing_item(acme):
    record(report(), report("other", input_tokens=7))
    close()

    found = traced(acme)

    assert said(found.lines) == [
        ("", IN, 1000, Decimal("0.04")),
        ("", OUT, 500, Decimal("0.05")),
    ]
    assert (found.billing_state, found.amount, found.corrections) == (
        BillingState.BILLED,
        Decimal("0.09"),
        [],
    )


def test_a_record_leads_to_its_corrections(acme):
    record(report(), report("other"))
    close()
    rerate("0.03")
    close(hour=1)
    reverse(acme, hour=2)
    close(hour=2)

    found = traced(acme)

    assert said(found.corrections) == [
        ("taken_back", IN, -1000, Decimal("-0.04")),
        ("charged_anew", IN, 1000, Decimal("0.03")),
        ("reversal", IN, -1000, Decimal("-0.03")),
        ("reversal", OUT, -500, Decimal("-0.05")),
    ]
    assert found.amount == 0


def test_a_record_that_was_reversed_is_not_rerated_afterwards(acme):
    record(report(), report("other"))
    close()
    reverse(acme)
    rerate("0.03")
    close(hour=1)

    assert {share.line.correction for share in traced(acme).corrections} == {"reversal"}
    assert len(traced(acme, "other").corrections) == 2


def test_a_reversal_leads_to_its_own_lines(acme):
    record(report())
    close()
    event_id = reverse(acme).event_id
    close(hour=1)

    found = traced(acme, event_id)

    assert [share.line.correction for share in found.lines] == ["reversal", "reversal"]
    assert found.amount == Decimal("-0.09")


def test_a_record_of_an_open_hour_is_not_billed_yet(acme):
    record(report())
    before_any_closing = traced(acme).billing_state
    close()
    record(report("late"))

    assert (before_any_closing, traced(acme, "late").billing_state) == (BillingState.OPEN, BillingState.OPEN)


def test_a_reversal_that_waits_for_its_bill_is_shown_as_open(acme):
    record(report())
    close()
    reverse(acme)

    found = traced(acme)

    assert found.reversal is not None
    assert (found.billing_state, found.reversal.billing_state) == (BillingState.BILLED, BillingState.OPEN)


def test_a_record_that_is_parked_is_shown_so_until_it_is_billed(acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record(report())
    close()
    waiting = traced(acme)
    release(parked=parked_hours().get(), reason="Checked by phone.", by=BY, now=at(70))
    close(hour=1)

    assert (waiting.billing_state, waiting.lines) == (BillingState.PARKED, [])
    assert waiting.parked is not None
    assert (traced(acme).billing_state, traced(acme).amount) == (BillingState.BILLED, Decimal("0.09"))


def test_a_record_of_a_closed_hour_that_no_bill_holds_is_not_passed_over_in_silence(acme):
    record(report())
    close()
    raw_record("no bill", billing_hour=at(-60), occurred_at=at(-10))
    raw_record("no line", service=Service.objects.get(name="SenseChat"))

    found = [traced(acme, event_id) for event_id in ("no bill", "no line")]

    assert [each.billing_state for each in found] == [BillingState.UNBILLED, BillingState.UNBILLED]


def test_another_customers_record_is_not_there(acme, globex):
    record(report())

    assert trace_record(customer=globex, event_id="call-1") is None
