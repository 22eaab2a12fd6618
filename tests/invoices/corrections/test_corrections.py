"""Nothing closed is edited: corrections are lines on a later bill that name the lines they correct."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.closing.seal import seal_of
from invoices.corrections.rerate import order_rerating, preview_rerating
from invoices.models import ChargeLine, Correction, HourlyBill, HourSeal, ParkedHour
from invoices.rating.charges_sql import charges_so_far
from pricing.models import Price
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, commit, item, record, report
from tests.invoices.books.builders import alter
from usage.ingest.errors import AlreadyReversed, NotReversible
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

IN, OUT = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS
BY = "operator@sensenova.example"


def reverse(acme, event_id="call-1", reason="Reported twice by us.", *, now=None):
    """Take back one of Acme's records, by default in the hour after THE_HOUR."""
    return reverse_record(customer=acme, event_id=event_id, reason=reason, by=BY, now=now or at(70))


def wrong_price(measure=IN):
    """The price of SenseChat-5's input tokens, 0.04 RMB per thousand."""
    return Price.objects.get(billing_item=item("SenseChat-5", measure), customer=None, ends_at=None)


def rerate(unit_price, *, hour=1, hours=1, measure=IN, from_hour=THE_HOUR, customer=None):
    """Order another price for usage of these hours, while a later hour runs."""
    return order_rerating(
        price=wrong_price(measure),
        from_hour=from_hour,
        until_hour=from_hour + dt.timedelta(hours=hours),
        unit_price=Decimal(unit_price),
        customer=customer,
        reason="The price list said so.",
        by=BY,
        now=at(30, hour=hour),
    )


def lines(*, hour):
    """The lines of the bill of so many hours after THE_HOUR."""
    found = ChargeLine.objects.filter(bill__hour=at(0, hour=hour)).order_by("billing_item_id", "id")
    return [
        (line.measure, line.correction, line.quantity, line.unit_price, line.amount.normalize())
        for line in found
    ]


# --- Reversals -------------------------------------------------------------------------------------


def test_a_reversal_takes_the_record_off_on_the_next_bill(acme):
    record(report(), report("right"))
    close()

    reverse(acme)
    made = close(hour=1)

    assert lines(hour=1) == [
        (IN, "reversal", -1000, Decimal("0.04"), Decimal("-0.04")),
        (OUT, "reversal", -500, Decimal("0.1"), Decimal("-0.05")),
    ]
    assert (made.records, made.amount) == (1, Decimal("-0.09"))


def test_a_reversals_lines_name_the_lines_that_they_correct(acme):
    record(report())
    close()

    reverse(acme)
    close(hour=1)

    reversals = {line.measure: line.corrects for line in ChargeLine.objects.filter(correction="reversal")}
    assert reversals == {line.measure: line for line in ChargeLine.objects.filter(bill__hour=THE_HOUR)}
    assert reversals.keys() == {IN, OUT}


def test_the_reversal_of_a_late_record_corrects_the_line_of_its_own_hour(acme):
    record(report("first"))
    close()
    record(report("late"), report("next", occurred_at=at(70)), now=at(71))
    close(hour=1)

    reverse(acme, "late", now=at(10, hour=2))
    close(hour=2)

    reversals = ChargeLine.objects.filter(correction="reversal")
    assert [*reversals.values_list("corrects__usage_hour", flat=True)] == [THE_HOUR, THE_HOUR]


def test_a_record_of_an_hour_that_is_open_is_reversed_on_the_bill_after(acme):
    record(report())

    reversal = reverse(acme, now=at(50))
    close()
    close(hour=1)

    assert reversal.billing_hour == at(60)
    assert [bill.amount for bill in HourlyBill.objects.order_by("hour_id")] == [
        Decimal("0.09"),
        Decimal("-0.09"),
    ]


def test_reversing_again_for_the_same_reason_changes_nothing(acme):
    record(report())

    first, again = reverse(acme), reverse(acme)

    assert first == again
    assert UsageRecord.objects.count() == 2


def test_reversing_again_for_another_reason_is_refused(acme):
    record(report())
    reverse(acme)

    with pytest.raises(AlreadyReversed) as refused:
        reverse(acme, reason="A test run.")

    assert refused.value.details[0]["stored"] == "Reported twice by us."


def test_a_record_of_another_customer_with_the_same_id_stays(acme, globex):
    record(report(), report(customer="globex"))
    first = reverse(acme), reverse(globex, reason="A test run.")

    again = reverse(acme), reverse(globex, reason="A test run.")

    assert first == again
    assert [reversal.customer for reversal in again] == [acme, globex]


def test_a_reversal_is_not_reversed(acme):
    record(report())
    reversal = reverse(acme)

    with pytest.raises(NotReversible):
        reverse(acme, reversal.event_id)


def test_another_customers_record_is_not_found(acme, globex):
    record(report())

    with pytest.raises(NotReversible) as refused:
        reverse(globex)

    assert refused.value.details[0]["reason"] == "unknown record"


def test_a_reversal_needs_a_reason(acme):
    record(report())

    with pytest.raises(NotReversible):
        reverse(acme, reason="  ")


def test_the_hour_so_far_shows_a_reversal_as_it_will_be_billed(acme):
    record(report())
    close()
    reverse(acme)

    so_far = charges_so_far(customer_id=acme.pk, hour=at(60))

    assert [(charge.correction, charge.amount) for charge in so_far] == [
        ("reversal", Decimal("-0.04")),
        ("reversal", Decimal("-0.05")),
    ]


# --- Re-rating -------------------------------------------------------------------------------------


def test_a_rerating_takes_back_and_charges_anew(acme):
    record(report(), report("more"))
    close()

    rerate("0.03")
    made = close(hour=1)

    assert lines(hour=1) == [
        (IN, "taken_back", -2000, Decimal("0.04"), Decimal("-0.08")),
        (IN, "charged_anew", 2000, Decimal("0.03"), Decimal("0.06")),
    ]
    assert (made.records, made.amount) == (0, Decimal("-0.02"))


def test_the_preview_is_what_is_then_billed(acme, globex):
    record(report(), report("more"), report(customer="globex"))
    close()

    effects = preview_rerating(
        price=wrong_price(), from_hour=THE_HOUR, until_hour=at(60), unit_price=Decimal("0.03")
    )
    rerate("0.03")
    close(hour=1)

    assert {effect.customer_code: effect.difference for effect in effects} == {
        bill.customer_code: bill.amount for bill in HourlyBill.objects.filter(hour=at(60))
    }


def test_a_preview_adds_up_the_lines_of_all_hours(acme):
    record(report(), report("next", input_tokens=3000, occurred_at=at(70)), now=at(71))
    close()
    close(hour=1)

    (effect,) = preview_rerating(
        price=wrong_price(), from_hour=THE_HOUR, until_hour=at(120), unit_price=Decimal("0.03")
    )

    assert effect.lines == 2
    assert effect.quantity == 4000
    assert (effect.charged, effect.corrected, effect.difference) == (
        Decimal("0.16"), Decimal("0.12"), Decimal("-0.04"),
    )  # fmt: skip


def test_a_preview_stores_nothing_and_is_empty_before_the_first_closing(acme):
    record(report())

    effects = preview_rerating(
        price=wrong_price(), from_hour=THE_HOUR, until_hour=at(60), unit_price=Decimal(1)
    )

    assert effects == []


def test_a_rerating_leaves_other_hours_and_items_alone(acme):
    record(report(), report("next", occurred_at=at(70)), now=at(80))
    close()
    close(hour=1)

    rerate("0.03", hour=2)
    close(hour=2)

    corrected = ChargeLine.objects.get(corrections__correction="charged_anew")
    assert (corrected.usage_hour, corrected.measure) == (THE_HOUR, IN)


def test_a_second_rerating_starts_from_the_first(acme):
    record(report())
    close()
    rerate("0.03")
    close(hour=1)

    rerate("0.05", hour=2)
    close(hour=2)

    assert lines(hour=2) == [
        (IN, "taken_back", -1000, Decimal("0.03"), Decimal("-0.03")),
        (IN, "charged_anew", 1000, Decimal("0.05"), Decimal("0.05")),
    ]


def test_a_reversal_after_a_rerating_is_at_the_price_that_counts(acme):
    record(report(output_tokens=0))
    close()
    rerate("0.03")
    close(hour=1)

    reverse(acme, now=at(10, hour=2))
    close(hour=2)

    assert sum(bill.amount for bill in HourlyBill.objects.all()) == 0


def test_a_rerating_leaves_out_what_is_reversed_on_the_same_bill(acme):
    record(report(output_tokens=0), report("right", output_tokens=0))
    close()

    reverse(acme)
    rerate("0.03")
    close(hour=1)

    assert lines(hour=1)[1:3] == [
        (IN, "taken_back", -1000, Decimal("0.04"), Decimal("-0.04")),
        (IN, "charged_anew", 1000, Decimal("0.03"), Decimal("0.03")),
    ]


def test_a_rerating_at_the_same_price_adds_no_line(acme):
    record(report())
    close()

    rerate("0.04")
    made = close(hour=1)

    assert made.lines == 0


def test_only_closed_hours_are_rerated(acme):
    record(report())
    close()

    with pytest.raises(ValidationError, match="Only closed hours"):
        rerate("0.03", hours=2)


def test_two_reratings_of_a_price_on_the_same_bills_are_refused(acme):
    record(report())
    close()
    rerate("0.03")

    with pytest.raises(ValidationError, match="waits for the same bills"):
        rerate("0.02")


def test_no_rerating_is_ordered_while_an_hour_that_it_should_find_is_parked(acme, settings):
    settings.PARK_ABOVE_LINES = 1
    record(report())
    close()

    with pytest.raises(ValidationError, match="have it billed first"):
        rerate("0.03")


def test_no_rerating_is_ordered_while_one_before_it_is_parked(acme, settings):
    record(report())
    close()
    settings.PARK_ABOVE_AMOUNT = Decimal(10)
    rerate("400")  # a slip of the finger
    close(hour=1)

    with pytest.raises(ValidationError, match="have it billed first"):
        rerate("0.04", hour=2)


def test_a_rerating_waits_while_an_earlier_hour_of_the_customer_is_parked(acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(10)
    record(report("much", input_tokens=275_000, occurred_at=at(-50)), now=at(-49))
    close(hour=-1)
    record(report())
    close()

    rerate("0.03")
    close(hour=1)

    assert not HourlyBill.objects.filter(hour=at(60)).exists()
    assert ParkedHour.objects.get(hour=at(60)).reason == (
        "It corrects what was charged before, and an earlier hour of this customer is still parked."
    )


def test_the_seals_hold_for_corrections(acme):
    record(report(), report("right"))
    close()
    reverse(acme)
    rerate("0.03")
    close(hour=1)

    seal = HourSeal.objects.get(hour=at(60))

    assert bytes(seal.sha256) == seal_of(hour=at(60), previous=THE_HOUR)


# --- A re-rating for one customer ------------------------------------------------------------------


@pytest.fixture
def both(acme, globex):
    """Acme and Globex were charged at the same price; the hour is closed."""
    record(report(), report(customer="globex"))
    close()


def test_a_rerating_for_one_customer_leaves_all_others_alone(both, acme):
    rerate("0.03", customer=acme)
    close(hour=1)

    lines = ChargeLine.objects.filter(bill__hour=at(60), rerating__isnull=False)
    assert {line.bill.customer_code for line in lines} == {"acme"}
    commit()
    assert verify_books(besides=repeat_rating).findings.count == 0


def test_the_preview_for_one_customer_is_what_is_then_billed(both, globex):
    (preview,) = preview_rerating(
        price=wrong_price(),
        from_hour=THE_HOUR,
        until_hour=at(60),
        unit_price=Decimal("0.03"),
        customer=globex,
    )
    rerate("0.03", customer=globex)
    close(hour=1)

    lines = ChargeLine.objects.filter(bill__hour=at(60), bill__customer=globex, rerating__isnull=False)
    assert preview.customer_code == "globex"
    assert preview.difference == sum(line.amount for line in lines) == Decimal("-0.01")


def test_two_customers_are_rerated_at_different_prices_on_the_same_bills(both, acme, globex):
    rerate("0.03", customer=acme)
    rerate("0.02", customer=globex)
    close(hour=1)

    rebilled = ChargeLine.objects.filter(correction=Correction.REBILLED).order_by("bill__customer_code")
    assert [(line.bill.customer_code, line.unit_price) for line in rebilled] == [
        ("acme", Decimal("0.03")),
        ("globex", Decimal("0.02")),
    ]
    commit()
    assert verify_books(besides=repeat_rating).findings.count == 0


@pytest.mark.parametrize("is_for_everybody_first", [True, False])
def test_one_for_everybody_and_one_for_a_customer_do_not_meet(both, acme, is_for_everybody_first):
    first, second = (None, acme) if is_for_everybody_first else (acme, None)
    rerate("0.03", customer=first)

    with pytest.raises(ValidationError, match="waits for the same bills"):
        rerate("0.02", customer=second)


def test_a_parked_hour_of_another_customer_does_not_hold_a_rerating_up(acme, globex, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(1)
    record(report(), report(customer="globex", input_tokens=50_000))
    close()

    rerate("0.03", customer=acme)
    with pytest.raises(ValidationError, match="is parked"):
        rerate("0.02", customer=globex)


def test_books_tell_a_rerating_for_one_customer_that_was_billed_to_another(both, acme, globex):
    rerate("0.03", customer=acme)
    close(hour=1)
    commit()
    alter("invoices_rerating", f"customer_id = {globex.pk}")

    found = {(one.what, one.customer) for one in verify_books().findings.first}

    assert {("not due", "acme"), ("unbilled", "globex")} <= found
