"""The checker of packages finds each kind of fault where there is one."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tests.faults.packages import Sold, check_packages

TEN = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)
ELEVEN, TOMORROW = TEN + dt.timedelta(hours=1), TEN + dt.timedelta(days=1)
JOURNAL: list[dict[str, Any]] = [
    {"ordered": "order", "customer": "acme", "product": "small", "units": None},
    {"bought": "order", "number": "P1", "attempts": 1},
]


def row(first, **changes):
    return SimpleNamespace(**(first | changes))


def purchase(**changes):
    """A package of 1,000 tokens, bought and committed within its first hour."""
    document = {"package": 1, "order_id": "order", "number": "P1", "customer": "acme", "product": "small"}
    bought = {"units": None, "tokens": 1000, "begins_at": TEN, "committed": TEN + dt.timedelta(minutes=30)}
    paid = {"price": Decimal(20), "quantity": 1, "amount": Decimal(20)}
    return row(document | bought | paid, **changes)


def period(**changes):
    place = {"package": 1, "customer": 1, "service": 7, "method": "tokens_package"}
    return row(place | {"begins_at": TEN, "ends_at": TOMORROW}, **changes)


def draw(**changes):
    place = {"id": 1, "package": 1, "bill": 1, "hour": TEN, "is_return": False, "ran_out_at": TEN}
    return row(place | {"tokens": 1000, "left_before": 1000, "left": 0}, **changes)


def line(**changes):
    place = {"id": 1, "bill": 1, "customer": 1, "hour": TEN, "usage_hour": TEN, "service": 7, "package": 1}
    return row(place | {"measure": "input_tokens", "quantity": 600, "amount": 0}, **changes)


def weight(**changes):
    return row({"package": 1, "service": 7, "measure": "output_tokens", "weight": Decimal(2)}, **changes)


def used(**changes):
    quantities = {"input_tokens": 600, "output_tokens": 250, "input_characters": None}
    return row({"customer": 1, "service": 7} | quantities, **changes)


# Of 600 tokens in and 250 out at two each, 600 and 200 are covered.
COVERED = [line(), line(id=2, measure="output_tokens", quantity=200)]
CHARGED = line(id=3, measure="output_tokens", quantity=50, package=None, amount=Decimal("0.005"))
RIGHT = {
    "purchases": [purchase()],
    "periods": [period()],
    "weights": [weight()],
    "draws": [draw()],
    "lines": [*COVERED, CHARGED],
    "used": [used()],
    "closings": [row({"hour": TEN, "committed": ELEVEN})],
}


def faults(*, journal=JOURNAL, **changes):
    return check_packages(Sold(**(RIGHT | changes)), journal=journal).faults()


def test_it_is_content_with_a_package_that_ran_out():
    found = check_packages(Sold(**RIGHT), journal=JOURNAL)

    assert found.faults() == {}
    assert (found.bought, found.ran_out, found.covered, found.charged) == (1, 1, 800, 50)


def test_an_order_that_was_not_answered_may_be_bought_or_not():
    without: dict[str, Any] = {"purchases": [], "periods": [], "draws": [], "lines": [], "used": []}

    assert faults(journal=JOURNAL[:1]) == {}
    assert faults(journal=JOURNAL[:1], **without) == {}
    assert faults(**without) == {"orders": 1}


def test_it_finds_an_order_that_was_bought_twice():
    again = purchase(package=2, number="P2")

    assert faults(purchases=[purchase(), again]) == {"orders": 1}


def test_it_finds_a_purchase_that_was_not_ordered_or_is_another():
    assert faults(journal=[]) == {"orders": 1}
    assert faults(purchases=[purchase(product="large")]) == {"orders": 1}
    assert faults(purchases=[purchase(amount=Decimal(19))]) == {"orders": 1}


def test_it_finds_usage_that_is_neither_covered_nor_charged():
    assert faults(used=[used(output_tokens=251)]) == {"coverage": 1}
    assert faults(lines=COVERED) == {"coverage": 1}


def test_it_finds_a_line_that_another_customers_package_covers():
    assert faults(periods=[period(customer=2)]) == {"coverage": 2}


def test_it_finds_a_covered_line_before_the_package_or_that_costs_something():
    early = [line(usage_hour=TEN - dt.timedelta(hours=1)), *RIGHT["lines"][1:]]
    dear = [line(amount=Decimal(1)), *RIGHT["lines"][1:]]

    assert (faults(lines=early), faults(lines=dear)) == ({"coverage": 1}, {"coverage": 1})


def test_it_finds_a_charge_while_something_was_left():
    rest = draw(tokens=1000, left_before=2000, left=1000, ran_out_at=None)

    assert faults(purchases=[purchase(tokens=2000)], draws=[rest]) == {"coverage": 1}
    assert faults(purchases=[purchase(tokens=2000)], draws=[draw(left_before=2000, left=1000)]) == {}


def test_it_finds_a_charge_while_a_tpm_package_was_in_force():
    tpm = {"periods": [period(method="tpm_package")], "purchases": [purchase(tokens=None)], "draws": []}

    assert faults(**tpm) == {"coverage": 1}
    assert faults(**tpm, lines=[*COVERED, line(id=3, measure="output_tokens", quantity=50)]) == {}


def test_it_finds_a_draw_of_other_tokens_than_the_lines_take():
    assert faults(weights=[]) == {"draws": 1}
    assert faults(draws=[draw(tokens=999, left=1)]) == {"draws": 1}


def test_it_finds_a_chain_that_does_not_hold():
    assert faults(purchases=[purchase(tokens=1001)]) == {"draws": 1}
    assert faults(draws=[draw(left=1)]) == {"draws": 1}


def test_it_finds_a_balance_below_zero():
    assert faults(purchases=[purchase(tokens=900)], draws=[draw(left_before=900, left=-100)]) == {"draws": 1}


def test_what_was_given_back_counts_again():
    later = {"id": 2, "bill": 2, "hour": ELEVEN, "ran_out_at": None}
    returned = draw(is_return=True, tokens=5, left_before=0, left=5, **later)
    line_back = line(id=4, bill=2, hour=ELEVEN, quantity=-5)
    back = {"draws": [draw(), returned], "lines": [*RIGHT["lines"], line_back]}

    assert faults(**back, used=[used(input_tokens=595)]) == {}


def test_it_finds_two_methods_at_once_and_none_in_turn():
    other = period(package=2, method="tpm_package", begins_at=TOMORROW, ends_at=TOMORROW + (TOMORROW - TEN))

    assert faults(periods=[period(), other]) == {}
    assert faults(periods=[period(ends_at=TOMORROW + (ELEVEN - TEN)), other]) == {"methods": 1}
    assert check_packages(Sold(**(RIGHT | {"periods": [period(), other]}))).switched == 1


def test_it_finds_a_package_for_an_hour_that_had_been_closed_without_it():
    assert faults(closings=[row({"hour": TEN, "committed": TEN})]) == {"halves": 1}
    assert faults(closings=[row({"hour": TEN - dt.timedelta(hours=1), "committed": TEN})]) == {}
