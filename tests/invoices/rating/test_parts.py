"""A part of a measure is charged at its own price where there is one, else as its whole, and never twice."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.drilldown.trace.lines import records_of
from invoices.drilldown.trace.records import BillingState, trace_record
from invoices.models import ChargeLine, HourlyBill
from invoices.price_impact.preview import preview_of
from pricing.catalogue.estimates import BadEstimate, EstimatedUsage, estimate
from pricing.changes.price_commands import change_price
from pricing.changes.rows import PriceRow
from pricing.models import BillingItem, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, item, price, raw_record, record, report
from usage.ingest.errors import InvalidUsage
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, UsageRecord

pytestmark = pytest.mark.django_db

IN, CACHED, WRITTEN = Measure.INPUT_TOKENS, Measure.CACHED_INPUT_TOKENS, Measure.CACHE_WRITE_TOKENS


def sell(measure, unit_price, *, begins_at=THE_HOUR - HOUR):
    """Charge for a part of SenseChat-5's input from this instant on."""
    BillingItem.objects.create(service=Service.objects.get(name="SenseChat-5"), measure=measure)
    return price("SenseChat-5", measure, unit_price, begins_at=begins_at)


def use(event_id="call-1", **fields):
    """A call of 1,000 tokens in, 800 of them cached."""
    record(report(event_id, **({"output_tokens": 0, CACHED: 800} | fields)))


def estimated(whole, cached):
    """Usage to be priced."""
    used: dict[str, Any] = {CACHED: cached}
    return EstimatedUsage(service="SenseChat-5", input_tokens=whole, **used)


def lines():
    """What is billed of input, by measure: the quantity and the amount."""
    found = ChargeLine.objects.exclude(measure=Measure.OUTPUT_TOKENS).order_by("id")
    return {(line.measure, line.correction): (line.quantity, line.amount) for line in found}


def test_a_part_with_a_price_is_charged_at_it_and_its_whole_without_it(acme):
    sell(CACHED, "0.01")
    use()

    close()

    assert lines() == {(IN, ""): (200, Decimal("0.008")), (CACHED, ""): (800, Decimal("0.008"))}


def test_a_part_without_a_price_is_charged_as_its_whole(acme):
    use()

    close()

    assert lines() == {(IN, ""): (1000, Decimal("0.04"))}


def test_two_parts_are_taken_from_one_whole(acme):
    sell(CACHED, "0.01")
    sell(WRITTEN, "0.05")
    use(**{WRITTEN: 150})

    close()

    assert {measure: quantity for (measure, _), (quantity, _) in lines().items()} == {
        IN: 50, CACHED: 800, WRITTEN: 150,
    }  # fmt: skip


def test_a_price_that_begins_within_the_hour_counts_from_then_on(acme):
    sell(CACHED, "0.01", begins_at=at(30))
    use("before", occurred_at=at(29))
    use("after", occurred_at=at(30))

    close()

    assert lines() == {(IN, ""): (1200, Decimal("0.048")), (CACHED, ""): (800, Decimal("0.008"))}


@pytest.mark.parametrize(
    ("used", "field"),
    [({CACHED: 1001}, CACHED), ({CACHED: 800, WRITTEN: 201}, CACHED), ({IN: 0, WRITTEN: 1}, WRITTEN)],
)
def test_more_than_the_whole_is_refused(used, field, acme):
    with pytest.raises(InvalidUsage) as error:
        use(**({CACHED: 0} | used))

    assert error.value.details[0]["field"] == field
    assert "part of input tokens" in error.value.details[0]["reason"]


def test_the_database_refuses_a_part_larger_than_its_whole(acme):
    with pytest.raises(IntegrityError, match="the_parts_of_input_tokens_are_no_more_than_the_whole"):
        raw_record(input_tokens=10, cached_input_tokens=6, cache_write_tokens=5)


def test_the_same_call_with_another_part_is_a_conflict_and_the_same_part_a_duplicate(acme, post):
    body = (
        '{"event_id": "a", "customer": "acme", "service": "SenseChat-5", "input_tokens": 10, '
        f'"occurred_at": "{at(10).isoformat()}", "cached_input_tokens": %s}}'
    )

    answers = [post(body % cached).status_code for cached in (4, 4, 5)]

    assert answers == [200, 200, 409]


def test_a_reversal_takes_both_back_and_the_books_verify(acme):
    sell(CACHED, "0.01", begins_at=at(5))
    use()
    use("uncached", occurred_at=at(4))
    close()

    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by="operator", now=at(70))
    close(hour=1)

    found = lines()
    assert (found[IN, "reversal"][0], found[CACHED, "reversal"][0]) == (-200, -800)
    assert verify_books(besides=repeat_rating).findings.first == []


def test_a_line_leads_to_its_records_with_their_share_of_it(acme):
    sell(CACHED, "0.01", begins_at=at(30))
    use("before", occurred_at=at(29))
    use("after", occurred_at=at(30))
    close()

    shares = {
        line.measure: sorted((found.event_id, found.quantity) for found in records_of(line=line))
        for line in ChargeLine.objects.select_related("bill")
    }

    assert shares[IN] == [("after", 200), ("before", 1000)]
    assert shares[CACHED] == [("after", 800)]


def test_a_record_leads_to_its_lines_and_comes_to_what_they_charge_for_it(acme):
    sell(CACHED, "0.01")
    use()
    close()

    found = trace_record(customer=acme, event_id="call-1")

    assert found is not None
    assert {share.line.measure: share.quantity for share in found.lines if share.quantity} == {
        IN: 200, CACHED: 800,
    }  # fmt: skip
    assert found.amount == HourlyBill.objects.get().amount == Decimal("0.016")


def test_the_preview_of_a_first_price_for_a_part_is_beside_what_it_costs_as_its_whole(acme):
    use(occurred_at=at(10))
    row = PriceRow(
        service="SenseChat-5", measure=CACHED, kind=Kind.LIST_PRICE, unit_price=Decimal("0.01"),
        unit_size=1000, begins_at=at(0, hour=9),
    )  # fmt: skip

    (effect,) = preview_of(rows=[row], now=at(61)).effects

    assert (effect.costs.without, effect.costs.changed) == (Decimal("0.04"), Decimal("0.016"))
    assert {one.item.measure: one.quantity for one in effect.items} == {IN: 200, CACHED: 800}


def test_the_preview_of_a_price_of_the_whole_leaves_out_the_parts_with_prices(acme):
    sell(CACHED, "0.01")
    use()
    rows = change_price(
        item=item("SenseChat-5", IN), customer=None, kind=Kind.LIMITED_TIME_OFFER, unit_price=Decimal("0.05"),
        unit_size=1000, begins_at=at(0, hour=9), ends_at=None,
    )  # fmt: skip

    (effect,) = preview_of(rows=rows, now=at(61)).effects

    assert (effect.costs.cost, effect.costs.changed) == (Decimal("0.016"), Decimal("0.018"))


def test_an_estimate_charges_a_part_once(acme):
    usage = estimated(1000, 800)

    as_whole = estimate(usages=[usage], at=at(10))
    sell(CACHED, "0.01")
    apart = estimate(usages=[usage], at=at(10))

    assert (as_whole.total, apart.total) == (Decimal("0.04"), Decimal("0.016"))


def test_an_estimate_of_more_than_the_whole_is_refused(db):
    usage = estimated(1, 2)

    with pytest.raises(BadEstimate) as error:
        estimate(usages=[usage], at=at(10))

    assert error.value.details[0]["field"] == CACHED


def test_what_was_not_used_is_stored_as_null(acme):
    record(report())

    stored = UsageRecord.objects.get()

    assert (stored.cached_input_tokens, stored.seconds, stored.outcome, stored.is_charged) == (None,) * 4


# --- Calls that were not completed -----------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["failed", "cut"])
def test_a_call_that_was_not_completed_is_stored_and_not_charged(outcome, acme):
    use()
    use("not completed", outcome=outcome)
    close()

    bill = HourlyBill.objects.get()
    found = trace_record(customer=acme, event_id="not completed")

    assert found is not None
    assert (bill.records, bill.amount) == (1, Decimal("0.04"))
    assert (found.record.outcome, found.billing_state) == (outcome, BillingState.NOT_CHARGED)
    assert found.amount == 0
    assert verify_books(besides=repeat_rating).findings.first == []


def test_it_is_charged_where_the_setting_says_so_as_it_was_when_it_was_reported(acme, settings):
    settings.CHARGE_FAILED_CALLS = True
    use(outcome="cut")
    settings.CHARGE_FAILED_CALLS = False
    use("later", outcome="cut")

    close()

    assert (HourlyBill.objects.get().records, HourlyBill.objects.get().amount) == (1, Decimal("0.04"))


def test_an_hour_of_nothing_but_failures_has_no_bill(acme):
    use(outcome="failed")

    close()

    assert not HourlyBill.objects.exists()
    assert verify_books(besides=repeat_rating).findings.first == []


def test_the_reversal_of_what_was_not_charged_is_not_charged(acme):
    use(outcome="failed")
    close()
    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by="operator", now=at(70))

    close(hour=1)

    assert not HourlyBill.objects.exists()
    assert verify_books(besides=repeat_rating).findings.first == []


def test_the_database_refuses_a_completed_call_that_is_not_charged(acme):
    with pytest.raises(IntegrityError, match="only_a_failed_or_cut_call_is_not_charged"):
        raw_record(input_tokens=1, is_charged=False)
