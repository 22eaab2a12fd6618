"""What is booked adds up to zero and is there once by its key; errors are reversed, never changed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from invoices.account.transactions import (
    KeyReused,
    TransactionRefused,
    amount_of,
    balance_of,
    reverse_transaction,
)
from invoices.models import AccountEntry, AccountTransaction, LedgerAccount, TransactionKind
from tests.builders import at
from tests.conftest import make_acme
from tests.invoices.statements.builders import STAFF, booked

pytestmark = pytest.mark.django_db

BY_HAND = [kind for kind in TransactionKind if kind != TransactionKind.STATEMENT]


def entries(one):
    return {entry.account: entry.amount for entry in one.entries.all()}


def test_a_payment_is_in_the_bank_and_owed_no_more(acme):
    one = booked(acme)

    assert entries(one) == {LedgerAccount.RECEIVABLE: Decimal(-100), LedgerAccount.BANK: Decimal(100)}
    assert balance_of(acme) == 100


def test_each_kind_moves_the_balance_as_it_says(acme):
    moves = [("charge", -50), ("payment", 150), ("refund", -30), ("credit", 5), ("charge", -90)]
    moves.append(("write_off", 15))
    balance = 0
    for kind, move in moves:
        booked(acme, TransactionKind(kind), Decimal(abs(move)))
        balance += move
        assert balance_of(acme) == balance


def test_the_same_key_is_one_transaction(acme):
    first, second = (booked(acme, key="bank 2026-03-05 1") for _ in range(2))

    assert first == second
    assert balance_of(acme) == 100


@pytest.mark.parametrize(
    ("code", "amount", "kind"),
    [("acme", "100.01", "payment"), ("globex", "100.00", "payment"), ("acme", "100.00", "refund")],
)
def test_a_key_of_something_else_is_refused(acme, globex, code, amount, kind):
    booked(acme, key="bank 2026-03-05 1")

    with pytest.raises(KeyReused, match="TRF 4711"):
        booked({"acme": acme, "globex": globex}[code], TransactionKind(kind), amount, key="bank 2026-03-05 1")
    assert AccountTransaction.objects.count() == 1


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "1000000000000", "NaN", "Infinity"])
def test_an_amount_that_cannot_be_paid_is_refused(acme, amount):
    with pytest.raises(TransactionRefused):
        booked(acme, amount=amount)
    assert not AccountTransaction.objects.exists()


def test_no_more_is_refunded_than_was_paid_ahead(acme):
    booked(acme, amount="10")

    with pytest.raises(TransactionRefused, match=r"Only 10\.00 RMB are paid ahead"):
        booked(acme, TransactionKind.REFUND, "10.01")


def test_no_more_is_written_off_than_is_owed(acme):
    booked(acme, TransactionKind.CHARGE, "10")

    with pytest.raises(TransactionRefused, match=r"Only 10\.00 RMB are owed"):
        booked(acme, TransactionKind.WRITE_OFF, "10.01")


def test_statements_are_not_booked_by_hand(acme):
    with pytest.raises(TransactionRefused):
        booked(acme, TransactionKind.STATEMENT)


def test_an_error_is_reversed_by_a_transaction_of_its_own(acme):
    wrong = booked(acme, amount="70")

    first, second = (
        reverse_transaction(booked=wrong, reason="Another customer's.", by=STAFF, now=at(6)) for _ in range(2)
    )

    assert first == second
    assert amount_of(first) == -70
    assert balance_of(acme) == 0
    assert first.reverses == wrong


def test_a_reversal_is_not_reversed(acme):
    reversal = reverse_transaction(booked=booked(acme), reason="Wrong.", by=STAFF, now=at(6))

    with pytest.raises(TransactionRefused, match="book what is right"):
        reverse_transaction(booked=reversal, reason="Right after all.", by=STAFF, now=at(7))


OWED_LESS = {TransactionKind.PAYMENT, TransactionKind.CREDIT, TransactionKind.WRITE_OFF}
OWED_LESS |= {TransactionKind.CHARGEBACK_REVERSAL}
MOVES = st.tuples(st.sampled_from(BY_HAND), st.integers(1, 10_000), st.sampled_from("abcd"), st.booleans())


@settings(max_examples=15, deadline=None)
@given(st.lists(MOVES, max_size=8))
def test_whatever_is_booked_twice_reversed_or_refused_the_balance_is_that_of_a_plain_sum(moves):
    with transaction.atomic():
        known: dict[tuple[str, str], AccountTransaction] = {}
        acme, balance = make_acme(), Decimal(0)
        for kind, fen, key, is_reversed in moves:
            try:
                one = booked(acme, kind, Decimal(fen) / 100, key=key)
            except TransactionRefused:
                continue
            move = Decimal(fen) / 100 * (1 if kind in OWED_LESS else -1)
            balance += move if known.setdefault((kind, key), one) is one else 0
            if is_reversed and not AccountTransaction.objects.filter(reverses=one).exists():
                balance -= move
            if is_reversed:
                reverse_transaction(booked=one, reason="Wrong.", by=STAFF, now=at(6))
            assert balance_of(acme) == balance
        assert not AccountEntry.objects.aggregate(total=Sum("amount"))["total"]
        transaction.set_rollback(True)


# --- What the database refuses ---------------------------------------------------------------------


def check_now():
    """What is checked at the commit, now."""
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_entries_that_do_not_add_up_are_refused(acme):
    one = booked(acme)
    check_now()

    with pytest.raises(IntegrityError, match="account_entries_add_up_to_zero"), transaction.atomic():
        AccountEntry.objects.create(transaction=one, account=LedgerAccount.SALES, amount=1)


def test_a_transaction_without_entries_is_refused(acme):
    AccountTransaction.objects.create(
        **{"customer": acme, "kind": TransactionKind.PAYMENT, "key": "1", "reference": "TRF 1"},
        **{"value_date": dt.date(2026, 3, 5), "at": at(5)},
    )

    with pytest.raises(IntegrityError, match="account_entries_add_up_to_zero"):
        check_now()


@pytest.mark.parametrize("table", ["invoices_accounttransaction", "invoices_accountentry"])
@pytest.mark.parametrize("sql", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_is_booked_is_never_changed(acme, table, sql):
    booked(acme)
    check_now()

    with pytest.raises(match=table), transaction.atomic():
        connection.cursor().execute(sql.format(table))


def test_what_people_book_beside_payments_has_a_reason(acme):
    with pytest.raises(IntegrityError, match="what_people_book_beside_payments_has_a_reason"):
        booked(acme, TransactionKind.CREDIT, reason="")
