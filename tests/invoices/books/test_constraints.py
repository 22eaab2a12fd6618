"""What surrounds the lines tells on a forger as well: seals, the order of hours, the database's guards."""

import pytest
from django.db import connection

from invoices.books.results import store_verification
from invoices.books.verify import verify_books
from tests.builders import THE_HOUR, at
from tests.invoices.books.builders import alter, delete, found, keep_books, kinds, seal_anew

pytestmark = pytest.mark.django_db

# --- Seals ------------------------------------------------------------------------------------------


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


def test_a_deleted_seal_is_found_in_its_hour_and_the_next(plain):
    delete("invoices_hourseal", where=f"hour_id = '{THE_HOUR}'")

    assert [text for *_, text in found()] == ["the hour has no seal", "the hour before has no seal"]


# --- Hours -----------------------------------------------------------------------------------------


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


def test_an_hour_that_names_another_before_it_is_found(acme):
    keep_books(hours=3)
    alter(
        "usage_billinghour",
        f"previous_id = '{at(120)}'",
        where=f"hour = '{at(120)}'",
        without="a_billing_hour_follows_the_hour_before",
    )

    assert ("gap", "", f"does not follow the hour {at(60):%Y-%m-%d %H:%M} UTC") in found()


def test_hours_missing_at_the_end_are_found_once_they_were_verified(plain):
    store_verification(verified=verify_books(), now=at(5, hour=2))
    for table in ("invoices_chargeline", "invoices_hourlybill", "invoices_hourseal", "usage_billinghour"):
        delete(table, where=LAST[table])

    assert kinds() == {"chain", "total"}


def test_a_first_hour_that_was_deleted_is_found(plain):
    for table, condition in LAST.items():
        delete(table, where=condition.replace(str(at(60)), str(THE_HOUR)))

    texts = {text for what, _, text in found() if what in {"gap", "unbilled"}}
    assert texts == {
        "1 records are to be billed before the first closed hour",
        "is the first hour that is closed, but names one before",
    }


LAST = {
    "invoices_chargeline": f"usage_hour = '{at(60)}'",
    "invoices_hourlybill": f"hour_id = '{at(60)}'",
    "invoices_hourseal": f"hour_id = '{at(60)}'",
    "usage_billinghour": f"hour = '{at(60)}'",
}


# --- Guards ----------------------------------------------------------------------------------------


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
        "DROP TRIGGER a_price_changes_open_hours_only ON pricing_price",
        "DROP TRIGGER changes_are_audited ON pricing_price",
        "ALTER TABLE pricing_price DISABLE TRIGGER changes_are_audited",
        "DROP TRIGGER audit_entries_are_append_only ON accounts_auditentry",
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
