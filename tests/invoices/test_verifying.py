"""Whoever alters closed books behind their back, even with a superuser's rights, is told on by name."""

from decimal import Decimal

import pytest
from django.db import connection

from invoices.closing import close_hour
from invoices.models import ChargeLine, HourlyBill, ParkedHour
from invoices.repeating import repeat_rating
from invoices.verifications import store_verification
from invoices.verifying import verify_books
from tests.builders import THE_HOUR, at, raw_record
from tests.invoices.books import alter, behind_its_back, delete, keep_books, keep_busy_books, seal_anew
from usage.models import HOUR

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(acme, globex, settings):
    """Late records, own prices, an offer, a trial, parked, released, reversed, re-rated twice: all of it."""
    settings.PARK_ABOVE_AMOUNT = Decimal(10)
    keep_busy_books(acme=acme, globex=globex)


@pytest.fixture
def plain(acme):
    """Two closed hours with a call of Acme's in each."""
    keep_books()


def found(**span):
    """What is found, by name, with where it is and in words."""
    findings = verify_books(**span).findings
    assert findings.count == len(findings.first)
    return [(one.what, one.bill or one.customer, one.text) for one in findings.first]


def kinds(**span):
    """What is found, by name only."""
    return {what for what, *_ in found(**span)}


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
    assert found() == [
        ("billed twice", first, "bills 1 records with 2000 input_tokens, there are 1 with 1000"),
        ("amount", first, "charges 0.08 RMB, but 1000 x 0.04 / 1000 is 0.04 RMB"),
    ]


def test_a_deleted_line_is_found(plain):
    delete("invoices_chargeline", where="amount = 0.04")

    assert any(what == "unbilled" and "no line bills 1000 input_tokens" in text for what, _, text in found())


def test_a_second_line_for_the_same_records_is_found(plain):
    behind_its_back(
        "invoices_chargeline",
        f"INSERT INTO invoices_chargeline ({LINE}) SELECT {LINE} FROM invoices_chargeline",  # noqa: S608
        without="a_bill_has_one_line_per_item_price_usage_hour_and_correction",
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


def test_a_record_of_a_customer_without_a_bill_is_found(plain, globex):
    raw_record(customer=globex, input_tokens=7)

    assert found() == [("unbilled", "globex", "no bill, and not parked: 1 records, 2 lines")]


def test_a_record_before_the_first_closed_hour_is_found(plain):
    raw_record(occurred_at=at(-50), billing_hour=at(-60))

    assert found() == [("unbilled", "", "1 records are to be billed before the first closed hour")]


def test_a_record_that_was_moved_to_another_hour_is_found_in_both(plain):
    alter("usage_usagerecord", f"billing_hour = '{at(60)}'", where="event_id = 'call-0'")

    assert kinds() == {"billed twice", "unbilled", "not due"}


# --- Seals, hours and guards -----------------------------------------------------------------------


def test_an_altered_link_of_the_chain_is_found_in_its_hour_and_the_next(plain):
    alter("invoices_hourseal", "sha256 = sha256(sha256)", where=f"hour_id = '{THE_HOUR}'")

    verified = verify_books()

    assert [(one.what, one.hour) for one in verified.findings.first] == [
        ("chain", THE_HOUR),
        ("chain", at(60)),
    ]


def test_a_chain_that_was_made_anew_is_not_the_one_that_was_verified(plain):
    store_verification(verified=verify_books(), now=at(5, hour=2))
    alter("invoices_hourlybill", "customer_name = 'Another'")
    seal_anew()

    assert found() == [
        ("chain", "", f"its seal is not the one that was verified at {at(5, hour=2):%Y-%m-%d %H:%M} UTC")
    ]


@pytest.mark.parametrize("total", ["bills", "lines", "records", "parked", "amount"])
def test_an_altered_total_of_a_seal_is_found(total, plain):
    alter("invoices_hourseal", f"{total} = {total} + 1")

    assert kinds() == {"seal"}


def test_a_deleted_hour_is_found(acme):
    keep_books(hours=3)
    delete("invoices_chargeline")
    for table in ("invoices_hourlybill", "invoices_hourseal", "usage_billinghour"):
        column = {"usage_billinghour": "hour"}.get(table, "hour_id")
        delete(table, where=f"{column} = '{at(60)}'")

    texts = [text for what, _, text in found() if what == "gap"]
    assert texts == [
        f"does not follow the hour {at(60):%Y-%m-%d %H:%M} UTC",
        "is not closed, though later hours are; 1 records wait for it",
    ]


def test_hours_missing_at_the_end_are_found_once_they_were_verified(plain):
    store_verification(verified=verify_books(), now=at(5, hour=2))
    for table in ("invoices_chargeline", "invoices_hourlybill", "invoices_hourseal", "usage_billinghour"):
        delete(table, where=LAST[table])

    assert kinds() == {"chain"}


LAST = {
    "invoices_chargeline": f"usage_hour = '{at(60)}'",
    "invoices_hourlybill": f"hour_id = '{at(60)}'",
    "invoices_hourseal": f"hour_id = '{at(60)}'",
    "usage_billinghour": f"hour = '{at(60)}'",
}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE invoices_chargeline DISABLE TRIGGER charge_lines_are_append_only",
        "ALTER TABLE usage_usagerecord ENABLE TRIGGER usage_records_are_append_only",
        "DROP TRIGGER bills_are_append_only ON invoices_hourlybill",
        "ALTER TABLE usage_billinghour DISABLE TRIGGER ALL",
        "ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey",
        "ALTER TABLE invoices_hourlybill DROP CONSTRAINT a_bill_is_sealed_in_its_hour_or_later",
        "DROP INDEX a_record_is_reversed_once",
        "DROP INDEX a_customer_has_one_bill_per_hour",
        "DROP TRIGGER a_price_begins_in_an_open_hour ON pricing_price",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$",
    ],
)
def test_a_guard_that_is_off_is_found(statement, plain):
    with connection.cursor() as cursor:
        cursor.execute(statement)

    assert kinds() == {"guard"}


def test_a_foreign_key_that_was_dropped_is_found(plain):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "invoices_chargeline")
        (name,) = (
            key for key, rule in constraints.items() if rule["columns"] == ["bill_id"] and rule["foreign_key"]
        )
        cursor.execute(f"ALTER TABLE invoices_chargeline DROP CONSTRAINT {name}")

    text = "the constraint foreign key bill_id of invoices_chargeline is missing or not valid"
    assert found() == [("guard", "", text)]


# --- Parked hours and corrections ------------------------------------------------------------------


def test_a_bill_of_a_parked_hour_without_a_release_is_found(busy):
    delete("invoices_release")

    assert {(what, bill[-6:]) for what, bill, _ in found()} == {("parking", "globex")}


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
