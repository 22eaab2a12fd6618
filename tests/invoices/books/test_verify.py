"""Whoever alters closed books behind their back, even with a superuser's rights, is told on by name."""

from decimal import Decimal

import pytest
from django.db import connection

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.closing.close import close_hour
from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine, HourlyBill, ParkedHour
from tests.builders import THE_HOUR, at, close, commit, raw_record, record, report
from tests.invoices.books.builders import (
    BY,
    alter,
    behind_its_back,
    delete,
    found,
    keep_books,
    kinds,
    seal_anew,
)
from usage.ingest.reversals import reverse_record
from usage.models import HOUR

pytestmark = pytest.mark.django_db


# --- Clean books -----------------------------------------------------------------------------------


def test_books_in_which_everything_happened_verify(busy):
    verified = verify_books(besides=repeat_rating)

    assert [one.text for one in verified.findings.first] == []
    assert (verified.hours, verified.bills, verified.records) == (4, 6, 15)
    assert verified.lines == ChargeLine.objects.count()


def test_the_busy_books_hold_what_they_are_for(busy):
    assert {line.correction for line in ChargeLine.objects.all()} == {
        "", "reversal", "taken_back", "charged_anew",
    }  # fmt: skip
    assert ChargeLine.objects.filter(is_own_price=True).exists()
    assert {*ChargeLine.objects.values_list("price_kind", flat=True)} == {
        "list_price", "limited_time_offer", "free_trial",
    }  # fmt: skip
    assert [bill.hour_id for bill in HourlyBill.objects.filter(customer__code="globex")] == [at(60), THE_HOUR]
    assert ParkedHour.objects.count() == 3


def test_each_hour_verifies_by_itself(busy):
    for hour in range(4):
        verified = verify_books(from_hour=at(0, hour=hour), until_hour=at(60, hour=hour))

        assert (verified.hours, verified.findings.count) == (1, 0)


def test_books_without_a_closed_hour_have_nothing_to_find(db):
    verified = verify_books()

    assert (verified.hours, verified.findings.count) == (0, 0)


# --- Lines and bills -------------------------------------------------------------------------------

SUM = "a_line_amount_is_quantity_times_unit_price"


def test_an_altered_amount_is_found(plain):
    alter("invoices_chargeline", "amount = 7", where="amount = 0.04", without=SUM)

    number = f"{THE_HOUR:%Y%m%dT%HZ}-acme"
    assert ("amount", number, "charges 7 RMB, but 1000 x 0.04 / 1000 is 0.04 RMB") in found()
    assert {"amount", "bill", "seal", "chain", "guard"} >= kinds() >= {"amount", "bill", "chain", "guard"}


def test_an_amount_that_was_altered_with_its_bill_and_all_seals_is_found(plain):
    bill = HourlyBill.objects.get(hour=THE_HOUR)
    line = bill.lines.get(measure="input_tokens")
    alter("invoices_chargeline", "quantity = 2000, amount = 0.08", where=f"id = {line.pk}")
    alter("invoices_hourlybill", "amount = 0.13", where=f"id = {bill.pk}")
    alter("invoices_hourseal", "amount = 0.13", where=f"hour_id = '{THE_HOUR}'")
    seal_anew()

    first = f"{THE_HOUR:%Y%m%dT%HZ}-acme"
    assert [one for one in found() if one[0] != "total"] == [
        ("billed twice", first, "bills 1 records with 2000 input_tokens, there are 1 with 1000"),
        ("amount", first, "charges 0.08 RMB, but 1000 x 0.04 / 1000 is 0.04 RMB"),
    ]


def test_a_deleted_line_is_found(plain):
    delete("invoices_chargeline", where="amount = 0.04")

    assert any(what == "unbilled" and "no line bills 1000 input_tokens" in text for what, _, text in found())


def test_a_bill_without_its_lines_is_found(plain):
    delete("invoices_chargeline")

    assert [text for what, _, text in found() if what == "bill"][1::2] == ["has no lines", "has no lines"]


def test_a_second_line_for_the_same_records_is_found(plain):
    behind_its_back(
        "invoices_chargeline",
        f"INSERT INTO invoices_chargeline ({LINE}) SELECT {LINE} FROM invoices_chargeline",  # noqa: S608
        without="a_bill_has_one_line_per_item_price_hour_correction_and_package",
    )

    assert "billed twice" in kinds()


LINE = ", ".join(str(field.column) for field in ChargeLine._meta.fields if field.name != "id")


@pytest.mark.parametrize(
    ("forgery", "what"),
    {
        "unit_price = unit_price * 2, quantity = quantity / 2": "price",
        "price_id = (SELECT max(id) FROM pricing_price)": "price",
        "price_kind = 'free_trial'": "line",
        "is_own_price = true": "line",
        "measure = 'input_characters'": "line",
        "usage_hour = usage_hour - interval '1 hour'": "unbilled",
        "records = records + 1": "billed twice",
        "records = records - 1, quantity = 0, amount = 0": "unbilled",
        "service_name = 'SenseChat'": "chain",
    }.items(),
)
def test_a_forged_line_is_found(forgery, what, plain):
    alter(
        "invoices_chargeline",
        forgery,
        where="measure = 'input_tokens'",
        without="a_line_bills_records_unless_it_rates_them_anew",
    )

    assert what in kinds()


@pytest.mark.parametrize(
    ("forgery", "what"),
    {
        "amount = amount + 1": "bill",
        "records = records + 1": "billed twice",
        "number = 'another' || id": "bill",
        "customer_name = 'Another'": "chain",
        "issued_at = issued_at + interval '1 second'": "chain",
    }.items(),
)
def test_a_forged_bill_is_found(forgery, what, plain):
    alter("invoices_hourlybill", forgery)

    assert what in kinds()


def test_a_deleted_bill_is_found(plain):
    delete("invoices_chargeline")
    delete("invoices_hourlybill")

    assert ("unbilled", "acme", "no bill, and not parked: 1 records, 2 lines") in found()


def test_a_second_bill_for_the_hour_is_found(plain):
    columns = [str(field.column) for field in HourlyBill._meta.fields if field.name not in {"id", "number"}]
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX a_customer_has_one_bill_per_hour")
    behind_its_back(
        "invoices_hourlybill",
        f"""INSERT INTO invoices_hourlybill (number, {", ".join(columns)})
            SELECT 'second-' || id, {", ".join(columns)} FROM invoices_hourlybill""",  # noqa: S608
    )

    assert any(what == "billed twice" and "is a second one for the hour" in text for what, _, text in found())


def test_a_price_that_was_altered_afterwards_is_found(plain):
    alter("pricing_price", "unit_price = 0.05", where="unit_price = 0.04")

    assert kinds() >= {"price", "amount"}


# --- Records ---------------------------------------------------------------------------------------


def test_an_altered_record_is_found(plain):
    alter("usage_usagerecord", "input_tokens = 900", where="event_id = 'call-0'")

    assert kinds() == {"billed twice", "amount"}


def test_a_deleted_record_is_found(plain):
    delete("usage_usagerecord", where="event_id = 'call-0'")

    assert (
        "billed twice",
        f"{THE_HOUR:%Y%m%dT%HZ}-acme",
        "the bill is for 1 records, there are 0",
    ) in found()


def test_a_record_inserted_into_a_closed_hour_is_found(plain):
    raw_record(input_tokens=7)

    bills = {bill for what, bill, _ in found() if what == "unbilled"}
    assert bills == {f"{THE_HOUR:%Y%m%dT%HZ}-acme"}


def test_a_record_for_which_there_is_no_price_is_found(plain):
    raw_record(input_characters=12)

    assert "12 input_characters for which there is no price" in {text for *_, text in found()}


def test_a_record_of_a_customer_without_a_bill_is_found(plain, globex):
    raw_record(customer=globex, input_tokens=7)

    assert found() == [("unbilled", "globex", "no bill, and not parked: 1 records, 2 lines")]


def test_a_record_before_the_first_closed_hour_is_found(plain):
    raw_record(occurred_at=at(-50), billing_hour=at(-60))

    assert found() == [("unbilled", "", "1 records are to be billed before the first closed hour")]


def test_a_record_that_was_moved_to_another_hour_is_found_in_both(plain):
    alter("usage_usagerecord", f"billing_hour = '{at(60)}'", where="event_id = 'call-0'")

    assert kinds() == {"billed twice", "unbilled", "not due"}


# --- Parked hours and corrections ------------------------------------------------------------------


def test_a_bill_of_a_parked_hour_without_a_release_is_found(busy):
    delete("invoices_release")

    assert {(what, bill[-6:]) for what, bill, _ in found()} == {("parking", "globex")}


def test_a_bill_that_was_sealed_before_its_release_is_found(busy):
    alter("invoices_release", f"billing_hour = '{at(0, hour=3)}'")

    texts = {text for what, _, text in found() if what == "parking"}
    assert texts == {"was billed with a later hour, but was not parked and released"}


def test_a_reversal_of_an_id_that_two_customers_use_verifies(acme, globex):
    record(report(), report(customer="globex", service="SenseChat", input_tokens=7))
    close()
    reverse_record(customer=globex, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    close(hour=1)
    commit()

    assert found() == []


def test_a_bill_beside_a_parked_hour_is_found(plain, acme):
    behind_its_back(
        "invoices_parkedhour",
        f"""INSERT INTO invoices_parkedhour (customer_id, hour_id, reason, records, amount, parked_at)
            VALUES ({acme.pk}, '{THE_HOUR}', 'None.', 1, 0.09, now())""",  # noqa: S608
    )

    assert ("parking", f"{THE_HOUR:%Y%m%dT%HZ}-acme", "was parked and billed") in found()


def test_records_that_vanish_while_they_are_parked_are_found(busy):
    delete("usage_usagerecord", where="event_id = 'much'")

    assert found() == [("parking", "globex", "1 records were parked, there are 0")]


def test_an_altered_reason_of_a_parked_hour_is_found(busy):
    alter("invoices_parkedhour", "reason = 'None.'")

    assert kinds() == {"chain"}


@pytest.mark.parametrize(
    ("correction", "forgery"),
    [
        ("reversal", "unit_price = unit_price / 2, amount = amount / 2"),
        ("taken_back", "quantity = quantity * 2, amount = amount * 2"),
        ("charged_anew", "unit_price = unit_price * 2, amount = amount * 2"),
        ("charged_anew", "corrects_id = bill_id"),
    ],
)
def test_a_forged_correction_is_found(correction, forgery, busy):
    line = ChargeLine.objects.filter(correction=correction).earliest("id")
    alter("invoices_chargeline", forgery, where=f"id = {line.pk}")

    assert kinds() & {"price", "billed twice", "not due"}


@pytest.mark.parametrize("correction", ["reversal", "taken_back", "charged_anew"])
def test_a_deleted_correction_is_found(correction, busy):
    delete("invoices_chargeline", where=f"correction = '{correction}'")

    assert "unbilled" in kinds()


def test_a_reversal_that_is_not_its_record_taken_back_is_found(busy):
    alter("usage_usagerecord", "input_tokens = 900", where="event_id = '1'")

    assert "reversal" in kinds()


# --- Rating again ----------------------------------------------------------------------------------


def test_rating_again_finds_a_record_that_was_added_behind_the_lines(plain):
    raw_record(input_tokens=7)

    again = verify_books(besides=repeat_rating).findings

    texts = [one.text for one in again.first if one.what == "rated again"]
    assert "made again, but not stored: 1007 input_tokens of 2 records at price" in "".join(texts)


def test_rating_again_is_not_misled_by_hours_closed_since(busy):
    close_hour(hour=at(0, hour=4), now=at(5, hour=5))

    assert (
        verify_books(from_hour=THE_HOUR, until_hour=THE_HOUR + HOUR, besides=repeat_rating).findings.count
        == 0
    )


def test_reratings_of_unlike_spans_on_the_same_bills_verify(acme):
    keep_books()
    for measure, hours in (("input_tokens", 1), ("output_tokens", 2)):
        price = ChargeLine.objects.filter(measure=measure).earliest("id").price
        order_rerating(
            price=price, from_hour=THE_HOUR, until_hour=at(0, hour=hours), unit_price=Decimal("0.03"),
            reason="The price list said so.", by=BY, now=at(10, hour=2),
        )  # fmt: skip
    close(hour=2)

    assert found() == []
    assert ChargeLine.objects.filter(correction="charged_anew").count() == 3
