"""The checker of accounts finds each kind of fault where there is one."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.faults.account import Account, check_account

MARCH = dt.datetime(2026, 2, 28, 16, tzinfo=dt.UTC)
APRIL, MAY = MARCH + dt.timedelta(days=31), MARCH + dt.timedelta(days=61)


def row(first, **changes):
    return SimpleNamespace(**(first | changes))


def payment(owed="-5.00", **changes):
    first = {"id": 1, "customer": "acme", "kind": "payment", "key": "k1", "statement": None, "sides": 2}
    return row(first | {"sum": Decimal(0), "owed": Decimal(owed)}, **changes)


def refund(owed="5.00", **changes):
    return payment(owed, **({"id": 2, "kind": "refund", "key": "k2"} | changes))


def booked_statement(owed="7.01", **changes):
    return payment(owed, **({"id": 3, "kind": "statement", "key": "S1", "statement": 1} | changes))


def statement(**changes):
    first = {"sequence": 1, "customer": "acme", "begins_at": MARCH, "ends_at": APRIL}
    return row(first | {"amount": Decimal("7.019"), "payable": Decimal("7.01")}, **changes)


def document(amount="7.019", at=MARCH, **changes):
    return row({"customer": "acme", "at": at, "amount": Decimal(amount)}, **changes)


def online(**changes):
    first = {"order_id": "o1", "customer": "acme", "amount": Decimal("9.00"), "state": "paid"}
    return row(first | {"refunded": Decimal("9.00"), "callbacks": 2}, **changes)


def adjustment(amount="50.01", **changes):
    first = {"key": "a1", "customer": "acme", "kind": "credit", "amount": Decimal(amount)}
    return row(first | {"proposed_by": "ann", "decision": "approved", "decided_by": "ben"}, **changes)


def requested(key="k1", kind="payment", amount="5.00"):
    return {"booking": key, "customer": "acme", "kind": kind, "amount": amount}


ADJUSTING = {"adjusting": "a1", "customer": "acme", "kind": "credit", "amount": "50.01", "by": "ann"}
JOURNAL = (
    *(requested(), {"booked": "k1"}, requested("k2", "refund"), {"booked": "k2"}),
    *({"ordering": "o1", "customer": "acme", "amount": "9.00"}, {"ordered": "o1"}),
    *({"calling": "o1", "ends": name} for name in ("paid", "refunded")),
    *({"called": "o1", "ends": name} for name in ("paid", "refunded")),
    *(
        ADJUSTING,
        {"adjusted": "a1"},
        {"deciding": "a1", "decision": "approved", "by": "ben"},
        {"decided": "a1"},
    ),
)
RIGHT = {
    "transactions": [payment(), refund(), booked_statement()],
    "statements": [statement()],
    "documents": [document("7"), document("0.019", at=APRIL - dt.timedelta(hours=1))],
    "payments": [online()],
    "adjustments": [adjustment()],
}


def faults(*, journal=JOURNAL, **changes):
    return check_account(Account(**(RIGHT | changes)), journal=journal).faults()


def test_it_is_content_with_right_accounts():
    assert faults() == {}


@pytest.mark.parametrize(
    "transactions",
    [
        [refund("-5.00"), booked_statement()],  # what was answered is not there
        [payment(), payment(id=4), refund(), booked_statement()],
        [payment(customer="globex"), refund("0"), booked_statement()],
        [payment("-5.01"), refund(), booked_statement()],
        [payment(), refund(), payment(id=5, key="k3"), booked_statement()],  # without a form
        [payment(sum=Decimal("0.01")), refund(), booked_statement()],
        [payment(id=4), refund(), booked_statement()],  # refunded before it was paid
    ],
)
def test_it_finds_wrong_bookings(transactions):
    assert faults(transactions=transactions)["bookings"] >= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"documents": [document("7")]},
        {"documents": [*RIGHT["documents"], document("1", at=MARCH - dt.timedelta(hours=1))]},
        {"statements": [statement(sequence=2)]},
        {"statements": [statement(payable=Decimal("7.02"))]},
        {"transactions": [payment(), refund()]},
        {"transactions": [payment(), refund(), booked_statement(), booked_statement(id=4)]},
        {
            "statements": [
                statement(),
                statement(
                    sequence=2,
                    begins_at=APRIL + dt.timedelta(hours=1),
                    ends_at=MAY,
                    amount=Decimal(0),
                    payable=Decimal(0),
                ),
            ]
        },
    ],
)
def test_it_finds_wrong_statements(changes):
    assert faults(**changes)["statements"] >= 1


@pytest.mark.parametrize(
    "payments",
    [
        [],
        [online(), online()],
        [online(order_id="o2"), online()],  # without an order
        [online(amount=Decimal("9.01"))],
        [online(state="expired")],
        [online(refunded=Decimal(0))],
        [online(callbacks=3)],
    ],
)
def test_it_finds_wrong_online_payments(payments):
    assert faults(payments=payments)["payments"] >= 1


def test_it_is_content_with_an_online_payment_of_which_nothing_came():
    ordered = {"ordering": "o2", "customer": "acme", "amount": "9.00"}
    silent = [online(order_id="o2", state=state, refunded=0, callbacks=0) for state in ("waiting", "failed")]

    assert faults(journal=[*JOURNAL, ordered], payments=[online(), silent[0]]) == {}
    assert faults(journal=[*JOURNAL, ordered], payments=[online(), silent[1]])["payments"] == 1


@pytest.mark.parametrize(
    "adjustments",
    [
        [],
        [adjustment(), adjustment()],
        [adjustment(key="a2"), adjustment()],  # without a form
        [adjustment(kind="charge")],
        [adjustment(decided_by="ann")],  # by its proposer
        [adjustment(decision="refused")],
        [adjustment(decision="", decided_by="")],
        [adjustment("50.00")],
    ],
)
def test_it_finds_wrong_credits_and_charges_by_hand(adjustments):
    assert faults(adjustments=adjustments)["adjustments"] >= 1


@pytest.mark.parametrize(
    "transactions",
    [
        [payment("-5.01"), refund(), booked_statement()],
        [payment(), refund(), booked_statement("7.02")],
        [payment(), refund(), booked_statement(), payment(id=4, customer="globex")],
    ],
)
def test_it_finds_balances_that_are_not_the_plain_sum(transactions):
    assert faults(transactions=transactions)["balances"] == 1


def test_what_the_provider_has_refunded_may_be_more_than_was_paid_ahead():
    by_provider = refund("6.00", key="fake o1 up to 6.00")
    journal = [*JOURNAL[:2], requested("fake o1 up to 6.00", "refund", "6.00"), *JOURNAL[4:]]

    assert faults(journal=journal, transactions=[payment(), by_provider, booked_statement()]) == {}
    assert faults(transactions=[payment(), refund("6.00"), booked_statement()])["bookings"] >= 1


def test_what_was_not_answered_may_be_there_or_not():
    journal = [entry for entry in JOURNAL if entry != {"booked": "k2"}]

    assert faults(journal=journal) == {}
    assert faults(journal=journal, transactions=[payment(), booked_statement()]) == {}
