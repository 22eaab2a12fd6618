"""When, and for whom, other prices count because some were changed (docs/pricing.md)."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from pricing.choosing import PriceFact, instants_of, price_in_force

# A billing item, and whose price of it: that of a customer with prices of its own, or everybody's (None).
Course = tuple[int, int | None]


@dataclass(frozen=True)
class Counting:
    """The price that counts on a course at an instant, without a change and with it."""

    without: PriceFact | None
    changed: PriceFact | None

    @property
    def differs(self) -> bool:
        """Whether it costs something else."""
        return _money(self.without) != _money(self.changed)


@dataclass(frozen=True)
class Stretch:
    """A time, [begins_at, ends_at), in which on some courses other prices count, and always the same.

    `counting` tells of every course, also of those without a difference, what counts at the beginning.
    """

    begins_at: dt.datetime
    ends_at: dt.datetime | None
    counting: Mapping[Course, Counting]

    @property
    def differing(self) -> dict[Course, Counting]:
        """The courses on which it costs something else."""
        return {course: counting for course, counting in self.counting.items() if counting.differs}


def stretches_of(*, without: Iterable[PriceFact], changed: Iterable[PriceFact]) -> list[Stretch]:
    """Return when a change of prices makes a difference, in the order of time; without an end if it stays."""
    prices = [*without], [*changed]
    since = _first_difference(*prices)
    stretches: list[Stretch] = []
    for begins_at, ends_at in _slices([*prices[0], *prices[1]], since):
        stretch = Stretch(begins_at, ends_at, counting_at(begins_at, without=prices[0], changed=prices[1]))
        if not stretch.differing:
            continue
        last = stretches[-1] if stretches else None
        if last and last.ends_at == begins_at and _amounts(last) == _amounts(stretch):
            stretches[-1] = replace(last, ends_at=ends_at)
        else:
            stretches.append(stretch)
    return stretches


def counting_at(
    instant: dt.datetime, *, without: Sequence[PriceFact], changed: Sequence[PriceFact]
) -> dict[Course, Counting]:
    """Return what counts at an instant on every course of these prices."""
    before, after = _by_course(without, instant), _by_course(changed, instant)
    courses = {(price.item, whose) for price in [*without, *changed] for whose in (price.customer, None)}
    return {
        course: Counting(_in_force(before, course, instant), _in_force(after, course, instant))
        for course in courses
    }


def _first_difference(without: list[PriceFact], changed: list[PriceFact]) -> dt.datetime | None:
    """Return an instant before which nothing differs: nothing there has to be looked at."""
    kept, new = ({price.id: price for price in prices} for prices in (without, changed))
    instants = []
    for key in kept.keys() | new.keys():
        before, after = kept.get(key), new.get(key)
        if (
            before is None
            or after is None
            or (before.begins_at, before.terms) != (after.begins_at, after.terms)
        ):
            instants += [price.begins_at for price in (before, after) if price]
        elif before.ends_at != after.ends_at:
            instants += [price.ends_at for price in (before, after) if price.ends_at]
    return min(instants, default=None)


def _slices(
    prices: list[PriceFact], since: dt.datetime | None
) -> Iterator[tuple[dt.datetime, dt.datetime | None]]:
    """Cut the time from an instant on where some price begins or ends."""
    if since is None:
        return
    instants = [since, *(instant for instant in instants_of(prices) if instant > since)]
    yield from zip(instants, [*instants[1:], None], strict=True)


def _by_course(prices: Sequence[PriceFact], instant: dt.datetime) -> dict[Course, list[PriceFact]]:
    held: dict[Course, list[PriceFact]] = {}
    for price in prices:
        if price.is_in_force(at=instant):
            held.setdefault((price.item, price.customer), []).append(price)
    return held


def _in_force(
    held: Mapping[Course, list[PriceFact]], course: Course, instant: dt.datetime
) -> PriceFact | None:
    item, customer = course
    prices = [*held.get(course, ()), *(held.get((item, None), ()) if customer is not None else ())]
    return price_in_force(prices, customer=customer, at=instant)


def _amounts(stretch: Stretch) -> dict[Course, object]:
    return {
        course: (_money(counting.without), _money(counting.changed))
        for course, counting in stretch.differing.items()
    }


def _money(price: PriceFact | None) -> Decimal | None:
    """Return what one token or character costs; None where there is no price, which is more than free."""
    return price.rate if price else None
