"""An item's prices drawn over time: a lane of bars for each kind, solid where they count."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from pricing.rules.kinds import RANK, Kind
from pricing.rules.precedence import PriceFact, changes_after, instants_of, price_in_force

BEFORE = AFTER = dt.timedelta(days=14)
AT_LEAST = dt.timedelta(days=60)
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True)
class Span:
    """The time that is drawn: [since, until)."""

    since: dt.datetime
    until: dt.datetime

    def place(self, instant: dt.datetime) -> Decimal:
        """Return where an instant lies, in percent of the span; what lies outside, at its edge."""
        inside = min(max(instant, self.since), self.until)
        share = Decimal((inside - self.since) // _TICK) / Decimal((self.until - self.since) // _TICK)
        return (share * 100).quantize(_HUNDREDTH, ROUND_HALF_EVEN)


_TICK = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Bar:
    """A price, or a part of it, between two instants of the span; offset and width in percent."""

    price: PriceFact
    begins_at: dt.datetime
    ends_at: dt.datetime
    offset: Decimal
    width: Decimal
    counts: bool


@dataclass(frozen=True)
class Lane:
    """The prices of one kind, for everybody or for one customer."""

    customer: int | None
    kind: Kind
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """The lanes, those whose prices count first on top, and where now is, in percent."""

    span: Span
    now: Decimal
    lanes: tuple[Lane, ...]


def span_of(prices: Iterable[PriceFact], *, now: dt.datetime) -> Span:
    """Return the span that shows two weeks before now, and all that is planned with two weeks after it."""
    last = max(instants_of(prices), default=now)
    until = last + AFTER if last > now else now + AT_LEAST
    return Span(now - BEFORE, until)


def timeline_of(prices: Iterable[PriceFact], *, now: dt.datetime, span: Span) -> Timeline:
    """Draw the prices of one item; a bar counts while its price is the one in force."""
    prices = [price for price in prices if _is_within(price, span)]
    lanes: dict[tuple[int | None, Kind], list[PriceFact]] = {}
    for price in sorted(prices, key=_order):
        lanes.setdefault((price.customer, price.kind), []).append(price)
    return Timeline(
        span=span,
        now=span.place(now),
        lanes=tuple(
            Lane(customer, kind, tuple(bar for price in held for bar in _bars(price, prices, span)))
            for (customer, kind), held in lanes.items()
        ),
    )


def counting_prices(
    prices: Iterable[PriceFact], *, customer: int | None, now: dt.datetime
) -> list[tuple[dt.datetime, PriceFact]]:
    """Return the price in force and each later one, with the instant from which it is in force.

    For the present price that is the earliest instant since which no other price was in force.
    """
    prices = list(prices)
    found = [(change.at, change.price) for change in changes_after(prices, customer=customer, at=now)]
    current = price_in_force(prices, customer=customer, at=now)
    return [(_since(prices, current, customer, now), current), *found] if current else found


def _since(
    prices: list[PriceFact], current: PriceFact, customer: int | None, now: dt.datetime
) -> dt.datetime:
    began = current.begins_at
    for instant in reversed([instant for instant in instants_of(prices) if instant <= now]):
        price = price_in_force(prices, customer=customer, at=instant)
        if price is None or price.terms != current.terms:
            break
        began = instant
    return began


def _is_within(price: PriceFact, span: Span) -> bool:
    return price.begins_at < span.until and (price.ends_at is None or price.ends_at > span.since)


def _order(price: PriceFact) -> tuple[bool, int, int, dt.datetime]:
    return price.customer is not None, price.customer or 0, RANK[price.kind], price.begins_at


def _bars(price: PriceFact, prices: list[PriceFact], span: Span) -> Iterator[Bar]:
    """Cut a price where it begins or ceases to count."""
    begin, end = max(price.begins_at, span.since), min(price.ends_at or span.until, span.until)
    inner = [instant for instant in instants_of(prices) if begin < instant < end]
    cuts = [begin]
    for instant in inner:
        if _counts(price, prices, instant) != _counts(price, prices, cuts[-1]):
            cuts.append(instant)
    for since, until in zip(cuts, [*cuts[1:], end], strict=True):
        offset = span.place(since)
        counts = _counts(price, prices, since)
        yield Bar(price, since, until, offset, span.place(until) - offset, counts)


def _counts(price: PriceFact, prices: list[PriceFact], instant: dt.datetime) -> bool:
    return price_in_force(prices, customer=price.customer, at=instant) == price
