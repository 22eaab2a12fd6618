"""Sums of amounts, to the last digit."""

from collections.abc import Iterable
from decimal import Decimal, localcontext

_DIGITS = 60  # more than any amount has, so that a sum is exact


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts up without rounding."""
    with localcontext(prec=_DIGITS):
        return sum(amounts, Decimal(0))
