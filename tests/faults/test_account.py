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


def booked_statement(**changes):
    return payment("7.01", **({"id": 3, "kind": "statement", "key": "S1", "statement": 1} | changes))


def statement(**changes):
    first = {"sequence": 1, "customer": "acme", "begins_at": MARCH, "ends_at": APRIL}
    return row(first | {"amount": Decimal("7.019"), "payable": Decimal("7.01")}, **changes)


def document(amount="7.019", at=MARCH, **changes):
    return row({"customer": "acme", "at": at, "amount": Decimal(amount)}, **changes)


def requested(key="k1", kind="payment", amount="5.00"):
    return {"booking": key, "customer": "acme", "kind": kind, "amount": amount}


JOURNAL = (requested(), {"booked": "k1"}, requested("k2", "refund"), {"booked": "k2"})
RIGHT = {
    "transactions": [payment(), refund(), booked_statement()],
    "statements": [statement()],
    "documents": [document("7"), document("0.019", at=APRIL - dt.timedelta(hours=1))],
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


def test_what_was_not_answered_may_be_there_or_not():
    journal = (requested(), {"booked": "k1"}, requested("k2", "refund"))

    assert faults(journal=journal) == {}
    assert faults(journal=journal, transactions=[payment(), booked_statement()]) == {}
