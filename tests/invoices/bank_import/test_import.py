"""A row is booked once for the right customer, and none of which that is not certain."""

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Customer
from invoices.account.transactions import balance_of, reverse_transaction
from invoices.bank_import.book import StalePlan
from invoices.bank_import.plan import RowState, plan_import
from invoices.models import AccountTransaction, BankImport
from tests.builders import at, close, record, report
from tests.conftest import make_acme
from tests.invoices.bank_import.builders import DAY, imported, row
from tests.invoices.statements.builders import STAFF, booked, issue_statement

pytestmark = pytest.mark.django_db


def planned(*rows, choices=None):
    return [
        (one.state, one.customer and one.customer.code)
        for one in plan_import(rows, choices=choices or {}).rows
    ]


def test_a_customer_is_found_by_code_in_the_text_or_by_the_payers_name(acme, globex):
    Customer.objects.filter(pk=acme.pk).update(legal_name="顶点（上海）有限公司")
    rows = [
        row(2, text="支付acme账单"),
        row(3, payer="顶点(上海)有限公司"),
        row(4, payer="GLOBEX  gmbh"),
        row(5, text="for macme"),
        row(6, text="invoice 100"),
    ]
    Customer.objects.create(code="100", name="Hundred")

    found = [code for _, code in planned(*rows)]
    assert found == ["acme", "acme", "globex", None, None]


def test_a_statement_in_the_text_tells_the_customer_whoever_paid(acme):
    record(report())
    close()
    statement = issue_statement(acme)

    paid = row(amount="0.09", text=f"re {statement.number}.", payer="A parent")
    (one,) = plan_import([paid], choices={}).rows
    assert (one.customer, one.note) == (acme, f"Statement {statement.number}, to the fen.")


def test_an_amount_alone_only_suggests(acme):
    record(report())
    close()
    issue_statement(acme)

    (one,) = plan_import([row(amount="0.09")], choices={}).rows
    assert (one.state, one.customer, list(one.candidates)) == (RowState.AMBIGUOUS, None, [acme])


def test_text_and_payer_of_different_customers_are_not_certain(acme, globex):
    assert planned(row(text="acme", payer="Globex GmbH")) == [(RowState.AMBIGUOUS, None)]
    assert planned(row(text="acme or globex")) == [(RowState.AMBIGUOUS, None)]
    assert planned(row(text="acme or globex", payer="Globex GmbH")) == [(RowState.TO_BOOK, "globex")]


def test_what_went_out_is_in_another_currency_or_unreadable_is_not_booked(acme):
    rows = [
        row(2, "-5", text="acme"),
        row(3, text="acme", currency="EUR"),
        row(4, text="acme", currency="人民币"),
    ]

    assert [state for state, _ in planned(*rows)] == [
        *(RowState.OUTGOING, RowState.OTHER_CURRENCY, RowState.TO_BOOK)
    ]


def test_a_person_chooses_the_customer_or_leaves_the_row_out(acme, globex):
    rows = [row(2), row(3, text="acme"), row(4, text="acme"), row(5)]

    found = planned(*rows, choices={2: "globex", 3: "", 4: "nobody", 5: ""})
    assert found == [
        *((RowState.TO_BOOK, "globex"), (RowState.LEFT_OUT, None)),
        *((RowState.REFUSED, None), (RowState.WITHOUT_CUSTOMER, None)),
    ]


def test_payments_are_booked_with_the_banks_reference_and_a_document(acme, globex):
    made = imported(
        row(2, "12.50", text="acme", reference="REF-1"), row(3, payer="Globex GmbH"), row(4, "-1")
    )

    assert (made.rows, made.payments, made.amount, made.by) == (3, 2, Decimal("112.50"), STAFF)
    assert (balance_of(acme), balance_of(globex)) == (Decimal("12.50"), Decimal(100))
    one = AccountTransaction.objects.get(customer=acme)
    assert (one.reference, one.value_date, one.imported.line) == ("REF-1 acme", DAY, 2)


def test_a_row_in_a_second_file_is_booked_no_second_time(acme):
    old = row(7, text="acme", reference="REF-1")
    imported(old)

    assert planned(row(2, text="acme", reference="REF-1"), row(3, "5", text="acme")) == [
        (RowState.IMPORTED, None),
        (RowState.TO_BOOK, "acme"),
    ]
    with pytest.raises(StalePlan):
        imported(old)


def test_a_reference_that_a_bank_uses_every_day_is_another_row(acme):
    imported(row(text="acme", reference="1"))

    assert planned(row(text="acme", reference="1", date=DAY + dt.timedelta(days=1))) == [
        (RowState.TO_BOOK, "acme")
    ]


def test_what_was_booked_by_hand_is_booked_again_only_if_a_person_says_so(acme):
    by_hand = booked(acme)

    assert planned(row(text="acme")) == [(RowState.PERHAPS_BOOKED, None)]
    assert planned(row(text="acme"), choices={2: ""}) == [(RowState.PERHAPS_BOOKED, None)]
    (chosen,) = plan_import([row()], choices={2: "acme"}).rows
    assert (chosen.state, chosen.note) == (
        RowState.TO_BOOK,
        "Chosen by you. acme has a payment of this amount and day: TRF 4711.",
    )
    reverse_transaction(booked=by_hand, reason="Twice.", by=STAFF, now=at(6))
    assert planned(row(text="acme")) == [(RowState.TO_BOOK, "acme")]


def test_nothing_is_booked_but_what_was_shown(acme):
    seen = plan_import([row(text="acme")], choices={}).fingerprint
    Customer.objects.create(code="thanks", name="Other")

    with pytest.raises(StalePlan):
        imported(row(text="acme thanks"), seen=seen)
    assert not BankImport.objects.exists()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(1, 3), max_size=6), max_size=4))
def test_overlapping_files_book_each_row_as_often_as_the_file_with_most_of_it(files):
    with transaction.atomic():
        acme = make_acme()
        most: Counter[int] = Counter()
        for amounts in files:
            rows = [row(line, str(amount), text="acme") for line, amount in enumerate(amounts, start=2)]
            most |= Counter(amounts)
            if plan_import(rows, choices={}).is_applicable:
                imported(*rows)
        assert balance_of(acme) == sum(most.elements())
        transaction.set_rollback(True)


def test_an_import_takes_a_fixed_number_of_statements_to_plan(acme, django_assert_max_num_queries):
    rows = [row(line, str(line), text=f"acme S{line:08}", payer="Acme Ltd") for line in range(2, 300)]

    with django_assert_max_num_queries(7):
        plan_import(rows, choices={2: "acme"})


def test_imports_are_never_changed(acme):
    imported(row(text="acme"))

    for table in ("invoices_bankimport", "invoices_importedpayment"):
        with pytest.raises(Exception, match="never changed"), transaction.atomic():
            connection.cursor().execute(f"DELETE FROM {table}")  # noqa: S608
