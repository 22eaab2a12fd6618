"""What quota packages cover of an hour and what is drawn from them, call by call: no SQL, no Django.

This is the second opinion on coverage, as expected.py is on charges. A package covers calls at hours within
its period. A TPM package covers all of them. Tokens packages are drawn on in turn, the soonest expiry first,
then the earliest bought: each call, in the order of time and event id, takes from the first that has not run
out, but nothing where all its tokens are under a free trial. The call for which too little is left is where a
package runs out: its items are covered in the order of the measures as far as that reaches, and the next
packages cover the rest.

Tokens of packages are counted in thousandths here, in whole numbers, because weights have three decimals.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from invoices.books.expected import PARTS, Portion, PriceList, hour_holding

THOUSANDTHS = 1000
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")

# How much of each measure, parts left out of their wholes.
Net = dict[str, int]
# What a package covers, or none does.
Share = tuple["Package | None", Net]


class Package(NamedTuple):
    """A quota package that was bought; `tokens` is null of a TPM package."""

    id: int
    number: str
    customer: int
    tokens: int | None
    bought_at: dt.datetime
    begins_at: dt.datetime
    expires_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def turn(self) -> tuple[dt.datetime, dt.datetime, int]:
        """Packages are drawn on in this order."""
        return self.expires_at, self.bought_at, self.id


class Period(NamedTuple):
    """The hours at which a package covers a service of its customer."""

    package: int
    customer: int
    service: int
    begins_at: dt.datetime
    ends_at: dt.datetime


class Draw(NamedTuple):
    """A stored draw, or what a bill gave back to a package."""

    id: int
    bill: int
    package: int
    is_return: bool
    tokens: Decimal
    left_before: Decimal
    left: Decimal
    ran_out_at: dt.datetime | None
    ran_out_event_id: str | None
    ran_out_measure: str
    ran_out_quantity: int


class DueDraw(NamedTuple):
    """An expected draw, its fields as those of a stored one."""

    package: int
    is_return: bool
    tokens: Decimal
    left_before: Decimal
    left: Decimal
    ran_out_at: dt.datetime | None = None
    ran_out_event_id: str | None = None
    ran_out_measure: str = ""
    ran_out_quantity: int = 0


class Call(NamedTuple):
    """A record; `begin` is that of the interval in which no price changes, `quantities` are in order."""

    service: int
    begin: dt.datetime
    at: dt.datetime
    event_id: str
    quantities: tuple[int, ...]


class Reversal(NamedTuple):
    """A record that takes back the call `event_id`, billed in that hour; quantities are negative."""

    service: int
    begin: dt.datetime
    at: dt.datetime
    event_id: str
    billed_in: dt.datetime
    quantities: tuple[int, ...]


class RanOut(NamedTuple):
    """The call at which a package ran out, the item of it, and how much of that was still covered."""

    at: dt.datetime
    event_id: str
    measure: str
    quantity: int


_NOWHERE = (None, None, "", 0)


class PackageList:
    """All packages, to find those that cover a call, and what a call takes of them."""

    def __init__(
        self,
        *,
        packages: Iterable[Package],
        periods: Iterable[Period],
        weights: Iterable[tuple[int, int, str, Decimal]],
        measures: tuple[str, ...],
    ) -> None:
        """Take the weights as (package, service, measure, weight); measures name the quantities of a call."""
        self.measures = measures
        self.by_id = {package.id: package for package in packages}
        self.of: dict[int, list[Package]] = defaultdict(list)
        for package in self.by_id.values():
            self.of[package.customer].append(package)
        self._periods: dict[tuple[int, int], list[Period]] = defaultdict(list)
        for period in periods:
            self._periods[period.customer, period.service].append(period)
        self._weights = {
            (package, service, measure): int(weight * THOUSANDTHS)
            for package, service, measure, weight in weights
        }

    def number(self, package: int) -> str:
        """Name a package."""
        found = self.by_id.get(package)
        return found.number if found else f"package {package}"

    def covering(self, *, customer: int, service: int, hour: dt.datetime) -> list[Package]:
        """Return the packages whose periods hold the hour, in the order of drawing."""
        found = [
            self.by_id[period.package]
            for period in self._periods.get((customer, service), ())
            if period.begins_at <= hour < period.ends_at
        ]
        return sorted(found, key=lambda package: package.turn)

    def weight(self, *, package: int, service: int, measure: str) -> int:
        """Return how many thousandths a token takes: of a part, as of its whole unless it has a weight."""
        weights = (self._weights.get((package, service, one)) for one in (measure, PARTS.get(measure, "")))
        return next((weight for weight in weights if weight is not None), THOUSANDTHS)

    def demand(self, *, package: int, service: int, used: Net) -> int:
        """Return how many thousandths of a token of the package this takes."""
        return sum(
            used[one] * self.weight(package=package, service=service, measure=one)
            for one in TOKENS
            if used.get(one)
        )


@dataclass
class Consumption:
    """What a customer's hour bills: calls in groups where nothing can cover them, else one by one."""

    groups: dict[tuple[int, dt.datetime], list[int]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    reversals: list[Reversal] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many records these are."""
        return sum(sums[0] for sums in self.groups.values()) + len(self.calls) + len(self.reversals)


class Before(NamedTuple):
    """What earlier bills drew: last on each package, and in the hours in which reversed calls were billed."""

    last: dict[int, Draw]
    drawn: dict[dt.datetime, dict[int, Draw]]


class Covered(NamedTuple):
    """A customer's hour as packages cover it, and what that draws."""

    usage: list[Portion]
    draws: list[DueDraw]


def cover(
    *,
    customer: int,
    consumption: Consumption,
    sealed_in: dt.datetime,
    before: Before,
    packages: PackageList,
    prices: PriceList,
) -> Covered:
    """Return what each package covers of the customer's hour, and the draws that must be on its bill."""
    drawing = _Drawing(customer=customer, before=before, packages=packages, prices=prices)
    usage = [
        Portion(service, begin, None, sums[0], tuple(sums[1:]))
        for (service, begin), sums in consumption.groups.items()
    ]
    usage += drawing.give_back(consumption.reversals, sealed_in=sealed_in)
    drawing.begin(sealed_in=sealed_in)
    drawn = list(drawing.draw(sorted(consumption.calls, key=lambda call: (call.at, call.event_id))))
    covering = {portion.package for portion in drawn}
    return Covered([*usage, *drawn], drawing.draws(covering=covering))


class _Drawing:
    """What is left of a customer's Tokens packages while an hour of it is billed."""

    def __init__(self, *, customer: int, before: Before, packages: PackageList, prices: PriceList) -> None:
        self.customer, self.before, self.packages, self.prices = customer, before, packages, prices
        self.returned: dict[int, int] = defaultdict(int)
        self.full: dict[int, int] = {}  # of the packages that can be drawn on, what was left at first
        self.left: dict[int, int] = {}
        self.ran_out: dict[int, RanOut] = {}
        self._chains: dict[tuple[int, dt.datetime], list[Package]] = {}

    def begin(self, *, sealed_in: dt.datetime) -> None:
        """Take in what is left of each package that had not ended before the hour was closed."""
        for package in self.packages.of.get(self.customer, ()):
            if package.tokens is not None:
                left = self._left_before(package) + self.returned.get(package.id, 0)
                if left > 0 and not self._has_ended(package, sealed_in):
                    self.full[package.id] = self.left[package.id] = left

    def draw(self, calls: Iterable[Call]) -> Iterator[Portion]:
        """Draw on the packages for each call in turn, and return what each covers."""
        groups: dict[tuple[int, dt.datetime, int | None], list[int]] = {}
        divided: list[Portion] = []
        for call in calls:
            shares, is_divided = self._shares(call)
            if is_divided:
                divided += _pieces(call, shares, measures=self.packages.measures)
                continue
            ((package, _),) = shares
            key = call.service, call.begin, package and package.id
            sums = groups.setdefault(key, [0] * (1 + len(call.quantities)))
            for place, number in enumerate((1, *call.quantities)):
                sums[place] += number
        for (service, begin, covering), (records, *quantities) in groups.items():
            first = self._chain(service, begin)[:1]
            is_part = any(one.id in self.ran_out for one in first) and any(quantities)
            whole = Portion(service, begin, None, records, tuple(quantities), covering, is_part)
            yield from self._without_others(whole)
        for piece in divided:
            yield from self._without_others(piece)

    def give_back(self, reversals: Iterable[Reversal], *, sealed_in: dt.datetime) -> Iterator[Portion]:
        """Return what reversals take back of what packages covered; what still runs has it again."""
        groups: dict[tuple[int, dt.datetime, dt.datetime, int | None], list[int]] = {}
        for reversal in reversals:
            shares = self._shares_then(reversal)
            for package, used in shares:
                key = reversal.service, reversal.begin, reversal.billed_in, package and package.id
                quantities = _gross(used, self.packages.measures)
                if len(shares) > 1:
                    service, begin, billed_in, covering = key
                    yield Portion(service, begin, billed_in, 1, tuple(quantities), covering, any(quantities))
                else:
                    sums = groups.setdefault(key, [0] * (1 + len(quantities)))
                    for place, number in enumerate((1, *quantities)):
                        sums[place] += number
                if package and self._still_runs(package, sealed_in=sealed_in):
                    self.returned[package.id] -= self.packages.demand(
                        package=package.id, service=reversal.service, used=used
                    )
        for (service, begin, billed_in, covering), (records, *used_in_all) in groups.items():
            yield Portion(service, begin, billed_in, records, tuple(used_in_all), covering)

    def draws(self, *, covering: Container[int | None]) -> list[DueDraw]:
        """Return what is given back, and drawn on the packages that cover calls or ran out, be it nothing."""
        found = []
        for package, tokens in self.returned.items():
            if tokens > 0:
                left = self._left_before(self.packages.by_id[package])
                change = _tokens(tokens), _tokens(left), _tokens(left + tokens)
                found.append(DueDraw(package, True, *change))
        for package, left in self.left.items():
            full = self.full[package]
            if package in covering or package in self.ran_out:
                change = _tokens(full - left), _tokens(full), _tokens(left)
                found.append(DueDraw(package, False, *change, *self.ran_out.get(package, _NOWHERE)))
        return found

    def _shares(self, call: Call) -> tuple[list[Share], bool]:
        """Return what each package covers of a call, and whether one ran out at it."""
        rest = _net(call.quantities, self.packages.measures)
        shares: list[Share] = []
        is_divided = False
        for package in self._chain(call.service, call.begin):
            if package.tokens is None:
                return [(package, rest)], False
            if package.id in self.ran_out:
                continue
            tokens = {one: rest[one] for one in TOKENS if one in rest}
            demand = self.packages.demand(package=package.id, service=call.service, used=tokens)
            if demand <= self.left[package.id]:
                self.left[package.id] -= demand
                return [*shares, *self._last(package, rest, is_divided=is_divided)], is_divided
            is_divided = True
            covered = self._run_out(package, call, tokens)
            shares.append((package, covered))
            rest = {one: quantity - covered.get(one, 0) for one, quantity in rest.items()}
        return [*shares, (None, rest)], is_divided

    def _last(self, package: Package, rest: Net, *, is_divided: bool) -> list[Share]:
        """Part what the last package covers of a divided call from what no Tokens package counts."""
        if not is_divided:
            return [(package, rest)]
        tokens = {one: quantity for one, quantity in rest.items() if one in TOKENS}
        others = {one: quantity for one, quantity in rest.items() if one not in TOKENS}
        return [(package, tokens), (None, others)]

    def _run_out(self, package: Package, call: Call, tokens: Net) -> Net:
        """Cover the items of a call in order as far as what is left reaches; what is less lapses."""
        covered: Net = {}
        left = self.left[package.id]
        for measure, quantity in tokens.items():
            weight = self.packages.weight(package=package.id, service=call.service, measure=measure)
            covered[measure] = min(quantity, left // weight)
            left -= covered[measure] * weight
            if covered[measure] < quantity:
                self.ran_out[package.id] = RanOut(call.at, call.event_id, measure, covered[measure])
                break
        self.left[package.id] = left
        return covered

    def _shares_then(self, reversal: Reversal) -> list[Share]:
        """Return what each package had covered of the call that is reversed, as the draws of its bill say."""
        rest = _net(reversal.quantities, self.packages.measures)
        drawn = self.before.drawn.get(reversal.billed_in, {})
        shares: list[Share] = []
        for package in self._covering(reversal.service, reversal.begin):
            if package.tokens is not None and package.id not in drawn:
                continue
            taken, is_whole = _taken_then(package, rest, draw=drawn.get(package.id), reversal=reversal)
            rest = {one: quantity - taken.get(one, 0) for one, quantity in rest.items()}
            if any(taken.values()) or (is_whole and not shares and not any(rest.values())):
                shares.append((package, taken))
            if is_whole:
                break
        if any(rest.values()) or not shares:
            shares.append((None, rest))
        return shares

    def _without_others(self, portion: Portion) -> Iterator[Portion]:
        """Part what a Tokens package covers from what it does not count, such as images."""
        package = None if portion.package is None else self.packages.by_id[portion.package]
        used = dict(zip(self.packages.measures, portion.quantities, strict=True))
        others = {one: quantity for one, quantity in used.items() if quantity and one not in TOKENS}
        if package is None or package.tokens is None or not others:
            yield portion
            return
        tokens = {one: quantity for one, quantity in used.items() if quantity and one in TOKENS}
        if tokens:
            yield portion._replace(quantities=self._placed(tokens), is_piece=True)
        yield portion._replace(quantities=self._placed(others), package=None, is_piece=bool(tokens))

    def _placed(self, used: Net) -> tuple[int, ...]:
        return tuple(used.get(one, 0) for one in self.packages.measures)

    def _chain(self, service: int, begin: dt.datetime) -> list[Package]:
        chain = self._chains.get((service, begin))
        if chain is None:
            found = self._covering(service, begin)
            chain = [one for one in found if one.tokens is None or one.id in self.full]
            self._chains[service, begin] = chain
        return chain

    def _covering(self, service: int, begin: dt.datetime) -> list[Package]:
        """Return the packages for calls of the interval from `begin` on, in turn."""
        hour = hour_holding(begin)
        found = self.packages.covering(customer=self.customer, service=service, hour=hour)
        if self.prices.are_free(service, TOKENS, customer=self.customer, at=begin):
            return [package for package in found if package.tokens is None]
        return found

    def _left_before(self, package: Package) -> int:
        last = self.before.last.get(package.id)
        if last is None:
            return (package.tokens or 0) * THOUSANDTHS
        return int(last.left * THOUSANDTHS)

    def _has_ended(self, package: Package, sealed_in: dt.datetime) -> bool:
        """Whether it was used up, or ended otherwise, before the hour was closed."""
        last = self.before.last.get(package.id)
        is_used_up = last is not None and (last.left == 0 or last.ran_out_at is not None)
        return is_used_up or (package.ended_at is not None and package.ended_at <= sealed_in)

    def _still_runs(self, package: Package, *, sealed_in: dt.datetime) -> bool:
        if package.tokens is None or not package.begins_at <= sealed_in < package.expires_at:
            return False
        return not self._has_ended(package, sealed_in)


def _taken_then(package: Package, rest: Net, *, draw: Draw | None, reversal: Reversal) -> tuple[Net, bool]:
    """Return what a package had covered of the rest of a call, and whether it had reached for all of it."""
    if package.tokens is None or draw is None:
        return rest, True
    tokens = {one: quantity for one, quantity in rest.items() if one in TOKENS}
    if draw.ran_out_at is None or draw.ran_out_event_id is None:
        return tokens, True
    order = (reversal.at, reversal.event_id), (draw.ran_out_at, draw.ran_out_event_id)
    if order[0] != order[1]:
        return (tokens, True) if order[0] < order[1] else ({}, False)
    place = TOKENS.index(draw.ran_out_measure)
    taken = {one: tokens[one] for one in TOKENS[:place] if one in tokens}
    return taken | {draw.ran_out_measure: -draw.ran_out_quantity}, False


def _pieces(call: Call, shares: Sequence[Share], *, measures: tuple[str, ...]) -> Iterator[Portion]:
    for package, used in shares:
        if any(used.values()):
            quantities = _gross(used, measures)
            yield Portion(call.service, call.begin, None, 1, quantities, package and package.id, True)


def _net(quantities: Sequence[int], measures: Sequence[str]) -> Net:
    used = dict(zip(measures, quantities, strict=True))
    for part, whole in PARTS.items():
        if part in used:
            used[whole] -= used[part]
    return used


def _gross(net: Net, measures: Sequence[str]) -> tuple[int, ...]:
    used = {one: net.get(one, 0) for one in measures}
    for part, whole in PARTS.items():
        if part in used:
            used[whole] += net.get(part, 0)
    return tuple(used.values())


def _tokens(thousandths: int) -> Decimal:
    return Decimal(thousandths).scaleb(-3)
