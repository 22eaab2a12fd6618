"""When, and for whom, other prices count because some were changed (docs/pricing.md)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pricing.rules.precedence import PriceFact, instants_of, price_in_force

# A billing item, and whose price of it: that of a customer with prices of its own, or everybody's (None).
Course = tuple[int, int | None]


@dataclass(frozen=True)
class Counting:
    """The price that counts on a course at an instant, without a change and with it."""

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


def stretches_of(
    *, without: Sequence[PriceFact], changed: Sequence[PriceFact], most: int
) -> tuple[list[Stretch], int]:
    """Return the first stretches on which a change of prices makes a difference, and how many come later.

    In the order of time; the last is without an end if the difference stays.
    """
    sweep = _Sweep(without, changed)
    stretches: list[Stretch] = []
    later = 0
    open_since: dt.datetime | None = None
    counting: dict[Course, Counting] = {}
    for instant in [*sweep.instants, None]:
        if instant is not None and not sweep.move_to(instant):
            continue
        if open_since is not None:
            if len(stretches) < most:
                stretches.append(Stretch(open_since, instant, counting))
            else:
                later += 1
        open_since = instant if sweep.differing else None
        counting = dict(sweep.counting) if sweep.differing and len(stretches) < most else {}
    return stretches, later


class _Sweep:
    """Goes through time from edge to edge, looking only at the courses on which something begins or ends."""

    def __init__(self, without: Sequence[PriceFact], changed: Sequence[PriceFact]) -> None:
        self._prices = _by_course(without), _by_course(changed)
        self._edges: dict[dt.datetime, set[Course]] = {}
        courses: dict[int, set[Course]] = {}
        for price in [*without, *changed]:
            courses.setdefault(price.item, {(price.item, None)}).add((price.item, price.customer))
        for price in [*without, *changed]:
            own = {(price.item, price.customer)}
            for instant in instants_of([price]):
                # Whatever begins or ends for everybody may do so for who has a price of its own.
                self._edges.setdefault(instant, set()).update(
                    courses[price.item] if price.customer is None else own
                )
        self.instants = sorted(self._edges)
        self.counting = {course: Counting(None, None) for held in courses.values() for course in held}
        self.differing: set[Course] = set()

    def move_to(self, instant: dt.datetime) -> bool:
        """Let the next edge be reached; return whether what differs is another than before."""
        is_other = False
        for course in self._edges[instant]:
            before, after = self.counting[course], self._counting_on(course, instant)
            self.counting[course] = after
            if before.differs or after.differs:
                is_other |= before.amounts != after.amounts
            (self.differing.add if after.differs else self.differing.discard)(course)
        return is_other

    def _counting_on(self, course: Course, instant: dt.datetime) -> Counting:
        item, customer = course
        found = []
        for held in self._prices:
            everybodys = held.get((item, None), []) if customer is not None else []
            prices = [
                price for price in [*held.get(course, []), *everybodys] if price.is_in_force(at=instant)
            ]
            found.append(price_in_force(prices, customer=customer, at=instant))
        return Counting(*found)


def _by_course(prices: Sequence[PriceFact]) -> dict[Course, list[PriceFact]]:
    held: dict[Course, list[PriceFact]] = {}
    for price in prices:
        held.setdefault((price.item, price.customer), []).append(price)
    return held
