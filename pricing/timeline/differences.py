"""In which intervals, and for which price series, a change of prices makes a difference (docs/pricing.md)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pricing.rules.precedence import PriceFact, instants_of, price_in_force

# A billing item with a customer who has own prices, or None for the prices for everybody.
PriceSeries = tuple[int, int | None]


@dataclass(frozen=True)
class PriceComparison:
    """The price in force in a series at an instant, without the change and with it."""

    without: PriceFact | None
    changed: PriceFact | None

    @property
    def amounts(self) -> tuple[Decimal | None, Decimal | None]:
        """What one token or character costs; None where there is no price, which is more than free."""
        without, changed = (price.rate if price else None for price in (self.without, self.changed))
        return without, changed

    @property
    def differs(self) -> bool:
        """Whether it costs something else."""
        without, changed = self.amounts
        return without != changed


@dataclass(frozen=True)
class PriceInterval:
    """An interval [begins_at, ends_at) in which the change makes one and the same difference.

    `counting` holds the comparison of every series, also of those without a difference.
    """

    begins_at: dt.datetime
    ends_at: dt.datetime | None
    counting: Mapping[PriceSeries, PriceComparison]

    @property
    def differing(self) -> dict[PriceSeries, PriceComparison]:
        """The series whose price differs."""
        return {series: counting for series, counting in self.counting.items() if counting.differs}


def differing_intervals(
    *, without: Sequence[PriceFact], changed: Sequence[PriceFact], most: int
) -> tuple[list[PriceInterval], int]:
    """Return the first intervals in which a change of prices makes a difference, and how many come later.

    In the order of time; the last is without an end if the difference stays.
    """
    sweep = _Sweep(without, changed)
    intervals: list[PriceInterval] = []
    later = 0
    open_since: dt.datetime | None = None
    counting: dict[PriceSeries, PriceComparison] = {}
    for instant in [*sweep.instants, None]:
        if instant is not None and not sweep.move_to(instant):
            continue
        if open_since is not None:
            if len(intervals) < most:
                intervals.append(PriceInterval(open_since, instant, counting))
            else:
                later += 1
        open_since = instant if sweep.differing else None
        counting = dict(sweep.counting) if sweep.differing and len(intervals) < most else {}
    return intervals, later


class _Sweep:
    """Goes through time from edge to edge, and compares only the series in which a price begins or ends."""

    def __init__(self, without: Sequence[PriceFact], changed: Sequence[PriceFact]) -> None:
        self._prices = _by_series(without), _by_series(changed)
        self._edges: dict[dt.datetime, set[PriceSeries]] = {}
        series_keys: dict[int, set[PriceSeries]] = {}
        for price in [*without, *changed]:
            series_keys.setdefault(price.item, {(price.item, None)}).add((price.item, price.customer))
        for price in [*without, *changed]:
            own = {(price.item, price.customer)}
            for instant in instants_of([price]):
                # A price for everybody may also be in force for customers with own prices.
                self._edges.setdefault(instant, set()).update(
                    series_keys[price.item] if price.customer is None else own
                )
        self.instants = sorted(self._edges)
        self.counting = {
            series: PriceComparison(None, None) for held in series_keys.values() for series in held
        }
        self.differing: set[PriceSeries] = set()

    def move_to(self, instant: dt.datetime) -> bool:
        """Move to the next edge; return whether the difference changed."""
        is_other = False
        for series in self._edges[instant]:
            before, after = self.counting[series], self._compared_on(series, instant)
            self.counting[series] = after
            if before.differs or after.differs:
                is_other |= before.amounts != after.amounts
            (self.differing.add if after.differs else self.differing.discard)(series)
        return is_other

    def _compared_on(self, series: PriceSeries, instant: dt.datetime) -> PriceComparison:
        item, customer = series
        found = []
        for held in self._prices:
            everybodys = held.get((item, None), []) if customer is not None else []
            prices = [
                price for price in [*held.get(series, []), *everybodys] if price.is_in_force(at=instant)
            ]
            found.append(price_in_force(prices, customer=customer, at=instant))
        return PriceComparison(*found)


def _by_series(prices: Sequence[PriceFact]) -> dict[PriceSeries, list[PriceFact]]:
    held: dict[PriceSeries, list[PriceFact]] = {}
    for price in prices:
        held.setdefault((price.item, price.customer), []).append(price)
    return held
