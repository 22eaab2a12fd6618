"""Stored lines beside what is due, by themselves."""

import datetime as dt
from decimal import Decimal

import pytest

from invoices.books.compare import compare
from invoices.books.expected import Due, Line, LineKey

HOUR = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
DUE = Due(
    service=1, measure="input_tokens", price_kind="list_price", is_own_price=False,
    unit_price=Decimal("0.04"), unit_size=1000, records=1, quantity=1000,
)  # fmt: skip
LINE = Line(
    id=5, bill=1, sealed_in=HOUR, hour=HOUR, usage_hour=HOUR, service=1, service_name="chat",
    measure="input_tokens", billing_item=10, price=1, price_kind="list_price", is_own_price=False,
    unit_price=Decimal("0.04"), unit_size=1000, records=1, quantity=Decimal(1000), amount=Decimal("0.04"),
    correction="", corrects=None, rerating=None,
)  # fmt: skip


def key(item=10, price=1):
    return LineKey(HOUR, item, price)


def found(lines, due):
    """What is found, and the line that it is about."""
    return [(what, line and line.id) for what, _, line in compare(due=due, lines=lines)]


def test_a_line_that_says_what_is_due_is_right():
    assert found([LINE], {key(): DUE}) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"quantity": Decimal(1001), "amount": Decimal("0.04004")}, ["billed twice", "amount"]),
        ({"quantity": Decimal(999), "amount": Decimal("0.03996")}, ["unbilled", "amount"]),
        ({"records": 2}, ["billed twice"]),
        ({"records": 0}, ["unbilled"]),
        ({"amount": Decimal("0.05")}, ["amount"]),
        ({"unit_price": Decimal("0.05")}, ["price"]),
        ({"unit_size": 100}, ["price"]),
    ],
)
def test_each_number_of_a_line_is_compared(changes, what):
    assert found([LINE._replace(**changes)], {key(): DUE}) == [(one, 5) for one in what]


def test_a_line_at_another_price_is_not_missing_as_well():
    other = LINE._replace(id=6, billing_item=11)

    assert found([LINE._replace(price=2), other], {key(): DUE, key(item=11): DUE}) == [("price", 5)]


def test_what_no_line_bills_and_what_no_record_explains_are_found():
    assert found([LINE], {key(item=11): DUE}) == [("not due", 5), ("unbilled", None)]


def test_a_second_line_of_the_same_is_found():
    assert found([LINE, LINE._replace(id=6)], {key(): DUE}) == [("billed twice", 6)]
