"""What a quantity costs, sums of it, and its digits: nothing is ever rounded (docs/pricing.md)."""

from collections.abc import Iterable
from decimal import Decimal, Inexact, localcontext

_DIGITS = 60  # more than any amount has, so that nothing is rounded


def amount_of(*, quantity: int | Decimal, unit_price: Decimal, unit_size: int) -> Decimal:
    """Return quantity x unit price / unit size, exact; raise Inexact rather than round."""
    if not (
        isinstance(quantity, int | Decimal) and isinstance(unit_price, Decimal) and isinstance(unit_size, int)
    ):
        raise TypeError("A quantity is an int or a Decimal, a unit price a Decimal, a unit size an int.")
    with localcontext(prec=_DIGITS) as context:
        context.traps[Inexact] = True
        return quantity * unit_price / unit_size


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts up without rounding."""
    with localcontext(prec=_DIGITS):
        return sum(amounts, Decimal(0))


def plain(number: Decimal) -> str:
    """Return every digit of a number without zeros at its end, e.g. `1051.59758`."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def package_price_text(list_price: Decimal, offer_price: Decimal | None) -> str:
    """E.g. `200.00 RMB`, or `150.00 RMB (list price 200.00)` where there is an offer."""
    if offer_price is None:
        return f"{list_price:,.2f} RMB"
    return f"{offer_price:,.2f} RMB (list price {list_price:,.2f})"
