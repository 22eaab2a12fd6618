"""From an exact amount to what is paid."""

from decimal import Decimal

import pytest

from invoices.documents.payable import Tax, payable_of
from tests.tables import table

VAT = Decimal("0.06")
EXAMPLES = table("monthly-bills.md", "exact", "payable", "remainder", "net", "tax at 6 %")


@pytest.mark.parametrize(("exact", "paid", "remainder", "net", "tax"), EXAMPLES)
def test_an_amount_is_truncated_to_fen_and_divided_as_the_documentation_says(
    exact, paid, remainder, net, tax
):
    payable = payable_of(exact=Decimal(exact), tax_rate=VAT)

    assert (payable.amount, payable.remainder) == (Decimal(paid), Decimal(remainder))
    assert payable.tax == Tax(VAT, Decimal(net), Decimal(tax))


def test_less_than_a_fen_is_not_paid():
    payable = payable_of(exact=Decimal("0.00999999999999"), tax_rate=VAT)

    assert (payable.amount, payable.remainder) == (Decimal(0), Decimal("0.00999999999999"))


@pytest.mark.parametrize("exact", ["1051.59758", "0.05", "0", "-7.77", "999999999999.99"])
def test_net_and_tax_are_whole_fen_and_add_up_to_what_is_paid(exact):
    payable = payable_of(exact=Decimal(exact), tax_rate=VAT)

    assert payable.tax
    assert payable.tax.net + payable.tax.tax == payable.amount
    assert payable.tax.net == round(payable.tax.net, 2)


def test_a_rate_is_shown_in_per_cent():
    assert Tax(VAT, Decimal(100), Decimal(6)).percent == 6


def test_at_a_rate_of_0_there_is_no_tax():
    assert payable_of(exact=Decimal("106"), tax_rate=Decimal(0)).tax is None
