"""Quota packages in plain Python: each token of each call is covered by itself."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

IN, OUT = "input_tokens", "output_tokens"
DAY = 24
REFUND_DAYS = 1


@dataclass(frozen=True)
class ModelTerms:
    """What a product holds and costs from an hour on; of TPM the price of a unit for a day, and no tokens."""

    since: int
    tokens: int | None
    price: int


@dataclass
class ModelPackage:
    """A package; hours are numbers, and `bought`, a minute and a number, tells which came first."""

    pk: int
    customer: str
    services: tuple[str, ...]
    begins: int
    days: int
    bought: tuple[int, int]
    product: tuple[ModelTerms, ...]
    units: int = 1
    weight: Decimal = Decimal(1)
    renews: bool | None = None  # None: never switched
    was_due: bool = False  # renewed, or refused to be
    refund: tuple[int, int | None] | None = None  # the hour in which it ends, and what is left of TPM
    credit: tuple[Any, ...] | None = None  # that hour, what is left, the amount, and what is credited
    is_over: bool = False

    def __post_init__(self):
        self.expires = self.ends = self.begins + self.days * DAY
        self.terms = [terms for terms in self.product if terms.since * 60 <= self.bought[0]][-1]
        self.left: Any = None if self.terms.tokens is None else Decimal(self.terms.tokens)

    @property
    def quantity(self):
        """The tokens that were bought, or the units times days."""
        return self.terms.tokens or self.units * self.days

    @property
    def paid(self):
        """The price of all of it."""
        return self.terms.price * (1 if self.terms.tokens else self.quantity)

    @property
    def is_tpm(self):
        """Whether it covers all calls."""
        return self.terms.tokens is None

    def is_current(self, hour):
        """Whether it covers calls, or is to."""
        return not self.is_over and self.credit is None and hour < self.expires

    def covers(self, service, hour):
        """Whether a call at this hour is one of its."""
        return service in self.services and self.begins <= hour < self.ends

    def runs(self, hour):
        """Whether it takes tokens back."""
        return self.left is not None and not self.is_over and self.begins <= hour < self.expires


@dataclass(frozen=True)
class ModelTrial:
    """A free trial of measures of a service, from one minute to another, for a customer or everybody."""

    service: str
    customer: str | None
    measures: tuple[str, ...]
    begins: int
    ends: int

    def overlaps(self, other):
        """Whether the two are of the same price at some minute."""
        is_same = (self.service, self.customer) == (other.service, other.customer)
        return is_same and self.begins < other.ends and other.begins < self.ends

    def is_for(self, call, measure):
        """Whether it makes tokens of a call free."""
        return (
            self.service == call.service
            and self.customer in (None, call.customer)
            and measure in self.measures
            and self.begins <= call.hour * 60 + call.minute < self.ends
        )


@dataclass
class ModelCall:
    """A call; `covered` says by which packages, once it is billed."""

    event_id: str
    customer: str
    service: str
    hour: int
    minute: int
    used: dict[str, int]
    billed_in: int
    covered: Counter[Any] = field(default_factory=Counter)  # (measure, package or None) -> tokens
    reversed_in: int | None = None


class Model:
    """Customers who buy, use and reverse; an hour is billed when it closes."""

    def __init__(self):
        self.open = 0
        self.packages: dict[int, ModelPackage] = {}
        self.calls: list[ModelCall] = []
        self.trials: list[ModelTrial] = []
        self.draws: dict[int, list[tuple[Any, Any]]] = {}
        self.lines: Counter[Any] = Counter()  # (hour, customer, service, measure, package) -> tokens

    def begin_of(self, customer, services, *, is_tpm):
        """The hour at which a package begins that is bought now: after the other method."""
        begins = self.open + is_tpm
        return max([begins, *self.ends_of_other_method(customer, services, is_tpm=is_tpm)])

    def ends_of_other_method(self, customer, services, *, is_tpm):
        """The hours at which packages of the other method end, without those that never begin."""
        return [
            package.ends
            for package in self.packages.values()
            if package.customer == customer
            and {*services} & {*package.services}
            and package.is_tpm != is_tpm
            and package.begins < package.ends
        ]

    def buy(self, package):
        """Add a package."""
        self.packages[package.pk] = package
        self.draws[package.pk] = []

    def switch(self, package, *, is_on):
        """Switch a renewal; return whether it may be."""
        if package.renews is is_on:
            return True
        if package.was_due or not package.is_current(self.open) or (is_on and package.refund):
            return False
        package.renews = is_on
        return True

    def due(self, now):
        """Return what has to be renewed by this minute, in turn."""
        due = [
            package
            for package in self.packages.values()
            if package.renews
            and not package.was_due
            and (package.is_over or package.expires * 60 <= self.last_minute(package, now))
        ]
        return sorted(due, key=lambda package: (package.expires, package.bought))

    def last_minute(self, package, now):
        """The latest expiry at which a package is renewed; an hour before its last could still use it up."""
        return now + 60 if package.is_tpm else min(now, self.open * 60) + 60

    def renew(self, package, *, pk, now, number):
        """Return the package that a renewal buys; None where another method is in the way."""
        package.was_due = True
        begins = max(package.ends, self.open)
        others = self.ends_of_other_method(package.customer, package.services, is_tpm=package.is_tpm)
        if any(end > begins for end in others):
            return None
        return ModelPackage(
            pk, package.customer, package.services, begins, package.days, (now, number), package.product,
            units=package.units, weight=package.weight, renews=True,
        )  # fmt: skip

    def refund(self, package, *, now):
        """Order what is left to be credited; return whether that may be."""
        begun = 0 if package.begins > self.open else (self.open - package.begins) // DAY + 1
        if package.refund:
            return True
        if not package.is_current(self.open) or now >= package.bought[0] + REFUND_DAYS * DAY * 60:
            return False
        if package.is_tpm and begun == package.days:
            return False
        left = package.quantity - begun * package.units if package.is_tpm else None
        ends = package.begins + begun * DAY if package.is_tpm and begun else self.open + 1
        package.ends = max(package.begins, ends)
        package.refund = ends, left
        if not package.was_due and package.renews:
            package.renews = False
        return True

    def announce(self, trial):
        """Add a free trial; return whether that may be."""
        if any(trial.overlaps(other) for other in self.trials):
            return False
        self.trials.append(trial)
        return True

    def is_free(self, call):
        """Whether trials make all tokens of such calls free."""
        return all(any(trial.is_for(call, one) for trial in self.trials) for one in (IN, OUT))

    def use(self, call):
        """Add a call."""
        self.calls.append(call)

    def reverse(self, call):
        """Reverse a call with the next bill after its own."""
        call.reversed_in = max(call.billed_in + 1, self.open)

    def close(self):
        """Bill the open hour of everybody."""
        self.give_back()
        drawn: Counter[Any] = Counter()
        is_out: set[int] = set()
        for call in sorted(self.calls, key=lambda call: (call.hour, call.minute, call.event_id)):
            if call.billed_in == self.open:
                for measure in (IN, OUT):
                    for _ in range(call.used[measure]):
                        pk = self.cover_token(call, drawn, is_out)
                        call.covered[measure, pk] += 1
                        self.lines[self.open, call.customer, call.service, measure, pk] += 1
        for pk, tokens in drawn.items():
            self.draws[pk].append((tokens, self.packages[pk].left))
        for package in self.packages.values():
            if package.pk in is_out or (package.pk in drawn and package.left == 0):
                package.is_over = True
                package.ends = min(package.ends, self.open + 1)
        for package in self.packages.values():
            if package.refund and package.credit is None:
                self.credit(package)
        self.open += 1

    def credit(self, package):
        """End a package and credit its share of the price, cut off."""
        ends, left = package.refund
        left = package.left if left is None else left
        share = Fraction(package.paid) * Fraction(left) / package.quantity
        amount, credited = (Decimal(share * 10**n // 1).scaleb(-n) for n in (8, 2))
        package.credit = ends, left, amount, credited
        package.is_over = not package.is_tpm

    def give_back(self):
        """Give what reversed calls drew back to packages that still run."""
        returned: dict[int, Any] = defaultdict(Decimal)
        for call in self.calls:
            if call.reversed_in == self.open:
                for (measure, pk), tokens in call.covered.items():
                    self.lines[self.open, call.customer, call.service, measure, pk] -= tokens
                    if pk and self.packages[pk].runs(self.open):
                        returned[pk] += tokens * self.packages[pk].weight
        for pk, tokens in returned.items():
            self.packages[pk].left += tokens
            self.draws[pk].append((-tokens, self.packages[pk].left))

    def cover_token(self, call, drawn, is_out):
        """Take a token of a call from the first package that still has one; return which, or None."""
        for package in self.in_turn(call):
            if package.left is None:
                return package.pk
            if package.pk in is_out or package.is_over or self.is_free(call):
                continue
            if package.left < package.weight:
                is_out.add(package.pk)
                continue
            package.left -= package.weight
            drawn[package.pk] += package.weight
            return package.pk
        return None

    def in_turn(self, call):
        """The packages that cover a call, in the order of drawing."""
        covering = [
            package
            for package in self.packages.values()
            if package.customer == call.customer and package.covers(call.service, call.hour)
        ]
        return sorted(covering, key=lambda package: (package.expires, package.bought))
