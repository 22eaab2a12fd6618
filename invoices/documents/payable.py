"""From the exact amount of a month to what is paid: the only place where money is rounded."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

FEN = Decimal("0.01")
_DIGITS = 60  # more than any amount has


@dataclass(frozen=True)
class Tax:
    """The tax that an amount includes: net and tax add up to it."""

    rate: Decimal
    net: Decimal
    tax: Decimal

    @property
    def percent(self) -> Decimal:
        """The rate in per cent."""
        return self.rate * 100


@dataclass(frozen=True)
class Payable:
    """A month's amount, exact and as it is paid: truncated to fen."""

    exact: Decimal
    amount: Decimal
    tax: Tax | None

    @property
    def remainder(self) -> Decimal:
        """What is not paid, because it is less than a fen."""
        return self.exact - self.amount


def payable_of(*, exact: Decimal, tax_rate: Decimal) -> Payable:
    """Truncate a month's amount to fen, and divide that into net and tax; at a rate of 0 there is no tax."""
    with localcontext(prec=_DIGITS):
        amount = exact.quantize(FEN, ROUND_DOWN)
        if not tax_rate:
            return Payable(exact, amount, None)
        net = (amount / (1 + tax_rate)).quantize(FEN, ROUND_HALF_UP)
        return Payable(exact, amount, Tax(tax_rate, net, amount - net))
