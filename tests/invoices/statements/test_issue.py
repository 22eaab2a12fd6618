"""Each customer's month becomes one statement, once it is over: numbered, complete, booked, never changed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Customer
from invoices.account.transactions import balance_of
from invoices.books.verify import verify_books
from invoices.models import AccountTransaction, HourlyBill, Statement
from invoices.statements.issue import NothingToCorrect, correct_statement, issue_due_statements
from invoices.statements.parts import StatementParts, sum_parts
from invoices.tasks import issue_statements
from pricing.rules.amounts import exact_sum
from tests.invoices.books.builders import alter
from tests.invoices.documents.builders import SHANGHAI, bill_hours
from tests.packages import buy
from usage.models import HOUR

pytestmark = pytest.mark.django_db

MONTH = dt.datetime(2026, 2, 28, 16, tzinfo=dt.UTC)  # March by Acme's clock begins
NEXT = dt.datetime(2026, 3, 31, 16, tzinfo=dt.UTC)
FINAL = NEXT + dt.timedelta(days=1)  # the 2nd of April begins
OPERATOR = "alice@sensenova.example"


@pytest.fixture
def march(acme):
    """Two hours of March, the second its last, both closed and billed with 1 RMB."""
    bill_hours(acme, MONTH, NEXT - HOUR)
    return acme


def issued(now=FINAL):
    """The statements of all customers after the clock has issued what is due."""
    issue_due_statements(now=now)
    return list(Statement.objects.order_by("sequence"))


def test_a_month_becomes_a_statement_on_the_second_day_of_the_next(march):
    assert issued(now=FINAL - dt.timedelta(microseconds=1)) == []

    (statement,) = issued()

    assert (statement.number, f"{statement.month}", statement.bills) == ("S00000001", "2026-03-01", 2)
    assert (statement.begins_at, statement.ends_at) == (MONTH, NEXT)
    assert (statement.amount, statement.payable) == (2, Decimal("2.00"))
    assert statement.net + statement.tax == statement.payable


def test_a_month_whose_last_hour_is_open_waits(acme):
    bill_hours(acme, MONTH, NEXT - 2 * HOUR)

    assert issued() == []


def test_what_is_issued_is_not_issued_again(march):
    first = issued()

    assert issued(now=FINAL + dt.timedelta(days=20)) == first


def test_months_without_documents_have_no_statement(acme):
    bill_hours(acme, MONTH, NEXT + 61 * 24 * HOUR - HOUR)

    months = [f"{one.month:%Y-%m}" for one in issued(now=FINAL + dt.timedelta(days=70))]

    assert months == ["2026-03", "2026-05"]


def test_numbers_have_no_gap_over_customers_and_months(acme, globex):
    bill_hours(acme, MONTH, NEXT + 30 * 24 * HOUR - HOUR)
    HourlyBill.objects.create(
        **{"number": "bill-globex", "customer": globex, "hour_id": MONTH, "sealed_in_id": MONTH},
        **{"customer_code": "globex", "customer_name": globex.name, "records": 0, "amount": 3},
        issued_at=MONTH + HOUR,
    )

    assert [one.sequence for one in issued(now=FINAL + dt.timedelta(days=40))] == [1, 2, 3]


def test_the_exact_sum_is_truncated_once(march):
    # Checks that wait for the commit keep a table from being altered.
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    alter("invoices_hourlybill", "amount = 0.00500000000001", where="true")

    (statement,) = issued()

    assert (statement.amount, statement.payable) == (Decimal("0.01000000000002"), Decimal("0.01"))


def test_purchases_of_packages_are_on_the_statement_of_their_month(acme):
    package = buy(acme)
    month = package.bought_at.astimezone(SHANGHAI).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    parts = StatementParts(acme, month, month + dt.timedelta(days=32))

    sums = sum_parts(parts)

    assert (sums.bills, sums.documents, sums.purchases) == (0, 1, package.purchase.amount)
    assert sums.amount == package.purchase.amount


def test_a_statement_is_booked_on_the_account(march):
    (statement,) = issued()

    booked = AccountTransaction.objects.get()
    assert (booked.statement, booked.reference, booked.at) == (statement, statement.number, FINAL)
    assert balance_of(march) == Decimal("-2.00")


def test_a_statement_equals_its_parts(march):
    (statement,) = issued()

    parts = StatementParts(march, statement.begins_at, statement.ends_at)
    assert statement.amount == exact_sum(parts.bills().values_list("amount", flat=True))


def test_another_clock_leaves_no_document_out_and_none_on_two_statements(acme):
    bill_hours(acme, *(MONTH + n * HOUR for n in range(0, 70 * 24, 3)))
    issued()
    Customer.objects.update(time_zone="America/New_York")

    statements = issued(now=FINAL + dt.timedelta(days=40))

    first, second = statements
    assert (second.begins_at, second.time_zone) == (first.ends_at, "America/New_York")
    counted = HourlyBill.objects.filter(sealed_in_id__lt=second.ends_at).count()
    assert first.bills + second.bills == counted


def test_names_are_copies(march):
    (statement,) = issued()

    Customer.objects.update(name="Acme (renamed)", legal_name="Acme Ltd.", tax_id="91310000MA1K35X7X2")

    statement.refresh_from_db()
    assert (statement.customer_name, statement.buyer_name, statement.buyer_tax_id) == (
        march.name,
        march.name,
        "",
    )


def test_a_corrected_statement_is_a_new_one_that_names_the_parties_as_they_are(march):
    (statement,) = issued()
    Customer.objects.update(legal_name="Acme Ltd.")

    corrected = correct_statement(
        statement=statement, reason="The company's name was missing.", by=OPERATOR, now=FINAL
    )

    assert (corrected.number, corrected.buyer_name) == ("S00000002", "Acme Ltd.")
    assert (corrected.payable, corrected.corrects) == (statement.payable, statement)
    assert balance_of(march) == Decimal("-2.00")
    assert issued() == [statement, corrected]


def test_a_statement_is_corrected_once_and_only_where_something_changes(march):
    (statement,) = issued()
    with pytest.raises(NothingToCorrect, match="as they are"):
        correct_statement(statement=statement, reason="Again.", by=OPERATOR, now=FINAL)
    Customer.objects.update(legal_name="Acme Ltd.")
    correct_statement(statement=statement, reason="The name.", by=OPERATOR, now=FINAL)

    with pytest.raises(NothingToCorrect, match="superseded"):
        correct_statement(statement=statement, reason="The name.", by=OPERATOR, now=FINAL)


def test_the_task_logs_how_many_it_issued(march, caplog, monkeypatch):
    monkeypatch.setattr("invoices.tasks.database_now", lambda: FINAL)

    with caplog.at_level("INFO"):
        issue_statements()

    assert "Issued 1 statements" in caplog.messages


def test_the_verification_finds_a_statement_that_is_not_its_documents_or_not_booked(march):
    issued()
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    assert not [one for one in verify_books().findings.first if one.what == "statement"]

    alter("invoices_accountentry", "amount = amount * 2", where="true")
    (booked,) = [one.text for one in verify_books().findings.first if one.what == "statement"]
    alter("invoices_hourlybill", "amount = 2", where="true")
    (summed,) = [one.text for one in verify_books().findings.first if one.what == "statement"]

    assert not [one for one in verify_books(from_hour=NEXT).findings.first if one.what == "statement"]
    assert booked == "S00000001 is booked with 4 RMB, and 2 RMB are payable"
    assert summed == "S00000001 says 2 RMB, its documents come to 4 RMB"


# --- What the database refuses ---------------------------------------------------------------------


@pytest.mark.parametrize("sql", ["UPDATE invoices_statement SET tax = 0", "DELETE FROM invoices_statement"])
def test_a_statement_is_never_changed(march, sql):
    issued()

    with pytest.raises(match="invoices_statement"), transaction.atomic():
        connection.cursor().execute(sql)


def copy_of(statement, **changes):
    """A row like this one."""
    names = [field.attname for field in Statement._meta.concrete_fields if field.name != "number"]
    return Statement(**{name: getattr(statement, name) for name in names} | changes)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sequence": 3, "previous_id": 1}, "statements_are_numbered_without_a_gap"),
        ({"sequence": 2, "previous_id": 1}, "a_customers_statements_do_not_overlap"),
        ({"payable": 3, "net": 3, "tax": 0}, "a_statement_is_truncated_to_the_fen"),
        ({"net": 1, "tax": 0}, "a_statements_net_and_tax_are_its_payable"),
        ({"purchases_amount": 5}, "a_statement_is_the_sum_of_its_parts"),
        ({"corrects_id": 1}, "a_statement_is_corrected_for_a_reason"),
        ({"ends_at": MONTH}, "a_statement_ends_after_it_begins"),
    ],
)
def test_the_database_keeps_the_rules_of_statements(march, changes, rule):
    (statement,) = issued()

    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        copy_of(statement, **({"sequence": 2, "previous_id": 1} | changes)).save(force_insert=True)
