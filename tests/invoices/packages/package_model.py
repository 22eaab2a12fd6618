"""Quota packages in plain Python: each token of each call is covered by itself."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

IN, OUT = "input_tokens", "output_tokens"
DAY = 24


@dataclass
class ModelPackage:
    """A package; hours are numbers, and `bought` tells which came first."""

    pk: int
    customer: str
    services: tuple[str, ...]
    begins: int
    expires: int
    bought: tuple[int, ...]
    left: Any  # a Decimal; None of a TPM package
    weight: Decimal = Decimal(1)
    ends: int = 0
    is_over: bool = False

    def covers(self, service, hour):
        """Whether a call at this hour is one of its."""
        return service in self.services and self.begins <= hour < self.ends

    def runs(self, hour):
        """Whether it takes tokens back."""
        return self.left is not None and not self.is_over and self.begins <= hour < self.expires


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
        self.draws: dict[int, list[tuple[Any, Any]]] = {}
        self.lines: Counter[Any] = Counter()  # (hour, customer, service, measure, package) -> tokens

    def begin_of(self, customer, services, *, is_tpm):
        """The hour at which a package begins that is bought now: after the other method."""
        begins = self.open + is_tpm
        others = [
            package.ends
            for package in self.packages.values()
            if package.customer == customer
            and {*services} & {*package.services}
            and (package.left is None) != is_tpm
        ]
        return max([begins, *others])

    def buy(self, package):
        """Add a package that begins where `begin_of` says."""
        package.ends = package.expires
        self.packages[package.pk] = package
        self.draws[package.pk] = []

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
        self.open += 1

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
            if package.pk in is_out or package.is_over:
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
