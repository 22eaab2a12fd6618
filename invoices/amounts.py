"""Sums and products of amounts, to the last digit."""

from collections.abc import Iterable
from decimal import Decimal, localcontext

_DIGITS = 60  # more than any amount has, so that nothing is rounded


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts up without rounding."""
    with localcontext(prec=_DIGITS):
        return sum(amounts, Decimal(0))


def exact_product(quantity: Decimal, price: Decimal) -> Decimal:
    """Multiply without rounding."""
    with localcontext(prec=_DIGITS):
        return quantity * price
