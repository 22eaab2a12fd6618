"""Which of an item's prices counts at an instant, and when that changes (docs/pricing.md).

For code that looks at single prices. "Which price counts" in docs/pricing.md names the other places that
choose a price, and those that rely on it that this changes only where a period begins or ends.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pricing.rules.amounts import amount_of
from pricing.rules.kinds import RANK, Kind


@dataclass(frozen=True)
class PriceFact:
    """What a unit size of a billing item costs over [begins_at, ends_at), for everybody or one customer."""

    id: int
    item: int
    customer: int | None
    kind: Kind
    unit_price: Decimal
    unit_size: int
    begins_at: dt.datetime
    ends_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.unit_price, Decimal):
            raise TypeError(f"A unit price is a Decimal, not {self.unit_price!r}.")
        _require_offset(self.begins_at)
        if self.ends_at is not None:
            _require_offset(self.ends_at)

    @property
    def terms(self) -> tuple[Kind, Decimal, int]:
        """What decides the charge; a successor with the same terms changes nothing."""
        return self.kind, self.unit_price, self.unit_size

    @property
    def rate(self) -> Decimal:
        """What one token or character costs, in RMB, exact."""
        return amount_of(quantity=1, unit_price=self.unit_price, unit_size=self.unit_size)

    def is_in_force(self, *, at: dt.datetime) -> bool:
        """Whether its period holds this instant."""
        return self.begins_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True)
class PriceChange:
    """From this instant on another price counts."""

    at: dt.datetime
    price: PriceFact


def price_in_force(prices: Iterable[PriceFact], *, customer: int | None, at: dt.datetime) -> PriceFact | None:
    """Return the price of one item that counts for this customer, or for everybody; None if there is none."""
    _require_offset(at)
    prices = list(prices)
    if len({price.item for price in prices}) > 1:
        raise ValueError("These are prices of several billing items.")
    counting = [price for price in prices if price.customer in (None, customer) and price.is_in_force(at=at)]
    return min(counting, key=lambda price: (price.customer is None, RANK[price.kind]), default=None)


def changes_after(
    prices: Iterable[PriceFact], *, customer: int | None, at: dt.datetime
) -> tuple[PriceChange, ...]:
    """Return, in their order, the later instants at which another price counts, on other terms."""
    prices = list(prices)
    before = price_in_force(prices, customer=customer, at=at)
    changes = []
    for instant in instants_of(prices):
        after = price_in_force(prices, customer=customer, at=instant) if instant > at else None
        # None is for what is past; an item that is on sale is never without a price.
        if after is not None and (before is None or after.terms != before.terms):
            changes.append(PriceChange(instant, after))
            before = after
    return tuple(changes)


def instants_of(prices: Iterable[PriceFact]) -> list[dt.datetime]:
    """Return, in their order, the instants at which one of these prices begins or ends."""
    return sorted({instant for price in prices for instant in (price.begins_at, price.ends_at) if instant})


def _require_offset(instant: dt.datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no offset, so it is no instant.")
