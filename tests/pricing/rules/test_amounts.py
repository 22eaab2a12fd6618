"""What a quantity costs: the worked table of docs/pricing.md, by the pure function."""

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.rules.amounts import amount_of, exact_sum, plain
from tests.tables import table

WORKED = table("pricing.md", "quantity", "unit price", "unit size", "amount", "which is")
QUANTITIES = st.integers(-(2**53), 2**53)
UNIT_PRICES = st.decimals(0, Decimal("999999.99999999"), places=8)
UNIT_SIZES = st.sampled_from([1, 1000, 10_000, 1_000_000])


@pytest.mark.parametrize("row", WORKED, ids=[row[4] for row in WORKED])
def test_the_worked_table_of_the_documentation_holds(row):
    quantity, unit_price, unit_size, amount = (text.replace(",", "") for text in row[:4])

    found = amount_of(quantity=int(quantity), unit_price=Decimal(unit_price), unit_size=int(unit_size))

    assert plain(found) == amount


def test_the_worked_table_is_read_whole():
    assert len(WORKED) == 13


@given(QUANTITIES, UNIT_PRICES, UNIT_SIZES)
def test_an_amount_is_the_fraction_whatever_the_context(quantity, unit_price, unit_size):
    with localcontext(prec=3):
        found = amount_of(quantity=quantity, unit_price=unit_price, unit_size=unit_size)

    assert Fraction(found) == Fraction(quantity) * Fraction(unit_price) / unit_size
    assert amount_of(quantity=Decimal(quantity), unit_price=unit_price, unit_size=unit_size) == found


def test_what_has_no_end_is_refused_and_not_rounded():
    with pytest.raises(Inexact):
        amount_of(quantity=1, unit_price=Decimal(1), unit_size=3)


GOOD = {"quantity": 7, "unit_price": Decimal("0.04"), "unit_size": 1000}


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": 7.0}, {"unit_price": 0.04}, {"unit_price": 4}, {"unit_size": 1000.0}, {"quantity": "7"}],
    ids=str,
)
def test_a_float_costs_nothing_it_is_refused(wrong):
    with pytest.raises(TypeError):
        amount_of(**(GOOD | wrong))


@given(st.lists(st.decimals(-(10**15), 10**15, places=14)))
def test_a_sum_is_exact(amounts):
    assert Fraction(exact_sum(amounts)) == sum(map(Fraction, amounts), Fraction())
