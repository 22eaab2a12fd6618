"""Stored lines beside what is due, and stored seals beside what they should be: plain Python, no Django.

The seal is computed here from its documented form (invoices/closing/seal.py says it in SQL): a bill is its
head and its lines, one a row, values parted by `|`, nulls left out, instants as `2026-01-31 18:00:00.000000`
UTC.
"""

import datetime as dt
import hashlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from invoices.books.coverage import Draw, DueDraw, PackageList
from invoices.books.expected import Due, Line, LineKey, exact_amount

FIRST = 100
_RAN_OUT = ("ran_out_at", "ran_out_event_id", "ran_out_measure", "ran_out_quantity")
_DIGITS = 30  # behind the point; amounts have 14


class Bill(NamedTuple):
    """A stored bill; its first values are those of a row."""

    id: int
    number: str
    hour: dt.datetime
    sealed_in: dt.datetime
    customer_code: str
    customer_name: str
    records: int
    amount: Decimal
    issued_at: dt.datetime


class Purchase(NamedTuple):
    """A package beside the terms on which it was bought and its document, which may be missing."""

    number: str
    method: str
    tokens: int | None
    units: int | None
    begins_at: dt.datetime
    expires_at: dt.datetime
    tokens_sold: int | None
    validity: int
    unit: str
    list_price: Decimal
    offer_price: Decimal | None
    says_list_price: Decimal | None
    says_price: Decimal | None
    says_quantity: int | None
    says_amount: Decimal | None


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be, and where."""

    what: str
    text: str
    hour: dt.datetime | None = None
    customer: str = ""
    bill: str = ""
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        hour = self.hour and f"{self.hour:%Y-%m-%d %H:%M}"
        return {**vars(self), "hour": hour}


def finding_text(found: dict[str, Any]) -> str:
    """Return a finding's plain values as one line of text."""
    where = [
        f"{found['hour']} UTC" if found["hour"] else "",
        found["bill"] or found["customer"],
        f"line {found['line']}" if found["line"] else "",
    ]
    return f"{found['what']}: {', '.join(part for part in where if part) or 'the database'}: {found['text']}"


class Findings:
    """The first findings, and how many there are of all."""

    def __init__(self) -> None:
        self.first: list[Finding] = []
        self.count = 0

    def add(self, what: str, text: str, **where: Any) -> None:
        """Take down one more."""
        self.count += 1
        if len(self.first) < FIRST:
            self.first.append(Finding(what=what, text=text, **where))


def compare(*, due: dict[LineKey, Due], lines: list[Line]) -> Iterator[tuple[str, str, Line | None]]:
    """Return each way in which a bill's lines are not what is due, with the line that it is about."""
    stored: dict[LineKey, Line] = {}
    for line in lines:
        key = _key(line)
        if key in stored:
            yield "billed twice", f"says again what line {stored[key].id} says", line
        stored.setdefault(key, line)
    for key, line in stored.items():
        expected = due.get(key)
        if expected is None:
            yield *_unexplained(line=line, key=key, due=due, stored=stored), line
        else:
            for what, text in _differences(line=line, due=expected):
                yield what, text, line
    unexplained = [key for key in stored if key not in due]
    for key, expected in due.items():
        if key not in stored and not any(_is_but_for_one(key, other) for other in unexplained):
            yield "unbilled", f"no line bills {_words(key, expected)}", None


def compare_draws(*, due: Iterable[DueDraw], draws: Iterable[Draw], packages: PackageList) -> Iterator[str]:
    """Return each way in which what a bill drew on packages is not what is due."""
    missing = {(one.package, one.is_return): one for one in due}
    for draw in draws:
        number = packages.number(draw.package)
        did = "gives back" if draw.is_return else "draws"
        expected = missing.pop((draw.package, draw.is_return), None)
        if expected is None:
            yield f"{did} {decimal(draw.tokens)} tokens of {number} that no record explains"
            continue
        if draw.tokens != expected.tokens:
            yield f"{did} {decimal(draw.tokens)} tokens of {number}, it must be {decimal(expected.tokens)}"
        for name in ("left_before", "left", *_RAN_OUT):
            says, must = getattr(draw, name), getattr(expected, name)
            if says != must:
                yield f"says {name} {_said(says)} of {number}, it must be {_said(must)}"
        if draw.left < 0:
            yield f"leaves less than nothing of {number}"
    for expected in missing.values():
        did = "gives back" if expected.is_return else "draws"
        number = packages.number(expected.package)
        yield f"nothing {did} {decimal(expected.tokens)} tokens of {number}"


def check_purchase(purchase: Purchase) -> Iterator[str]:
    """Return each way in which a package and its document are not what its terms say."""
    number = purchase.number
    if purchase.says_amount is None:
        yield f"{number} has no document"
        return
    price = purchase.list_price if purchase.offer_price is None else purchase.offer_price
    quantity = 1 if purchase.units is None else purchase.units * _periods(purchase)
    for name, says, must in (
        ("tokens", purchase.tokens, purchase.tokens_sold),
        ("list price", purchase.says_list_price, purchase.list_price),
        ("price", purchase.says_price, price),
        ("quantity", purchase.says_quantity, quantity),
        ("amount", purchase.says_amount, price * quantity),
    ):
        if says != must:
            yield f"{number} says {name} {says}, it must be {must}"
    if purchase.units is None and _periods(purchase) != purchase.validity:
        yield f"{number} is valid for {_periods(purchase)} {purchase.unit}s, not {purchase.validity}"


def _periods(purchase: Purchase) -> int:
    """Return for how many days or calendar months a package is valid."""
    begin, end = purchase.begins_at, purchase.expires_at
    if purchase.unit == "day":
        return (end - begin).days
    return (end.year - begin.year) * 12 + end.month - begin.month


def _key(line: Line) -> LineKey:
    price = line.usage_hour, line.billing_item, line.price
    return LineKey(*price, line.correction, line.corrects, line.package)


def _is_but_for_one(key: LineKey, other: LineKey) -> bool:
    """Whether it is the same line at another price, or covered otherwise."""
    return other in (key._replace(price=other.price), key._replace(package=other.package))


def _unexplained(
    *, line: Line, key: LineKey, due: dict[LineKey, Due], stored: Container[LineKey]
) -> tuple[str, str]:
    for other in due:
        if key._replace(price=other.price) == other:
            return "price", f"is at price {line.price}, in force was price {other.price}"
        if key._replace(package=other.package) == other and other not in stored:
            return "package", f"names {_package(line.package)}, it must be {_package(other.package)}"
    charged = exact_amount(line.quantity, line.unit_price, line.unit_size)
    wrong = "" if Fraction(line.amount) == charged else f", and {decimal(charged)} RMB would be its amount"
    return "not due", f"bills {line.quantity} {line.measure} that no record or order explains{wrong}"


def _differences(*, line: Line, due: Due) -> Iterator[tuple[str, str]]:
    if line.quantity != due.quantity or line.records != due.records:
        more = abs(line.quantity) > abs(due.quantity) or line.records > due.records
        yield (
            "billed twice" if more else "unbilled",
            f"bills {line.records} records with {line.quantity} {line.measure}, "
            f"there are {due.records} with {due.quantity}",
        )
    if Fraction(line.amount) != due.amount:
        yield (
            "amount",
            f"charges {decimal(line.amount)} RMB, but {due.quantity} x {decimal(due.unit_price)} / "
            f"{due.unit_size} is {decimal(due.amount)} RMB",
        )
    if (line.unit_price, line.unit_size) != (due.unit_price, due.unit_size):
        yield (
            "price",
            f"says {decimal(line.unit_price)} RMB per {line.unit_size}, "
            f"it must be {decimal(due.unit_price)} per {due.unit_size}",
        )
    for name in ("service", "measure", "price_kind", "is_own_price", "rerating"):
        if getattr(line, name) != getattr(due, name):
            yield "line", f"says {name} {getattr(line, name)}, it must be {getattr(due, name)}"


def _said(value: Any) -> str:
    return decimal(value) if isinstance(value, Decimal) else str(value)


def _package(package: int | None) -> str:
    return "no package" if package is None else f"package {package}"


def _words(key: LineKey, due: Due) -> str:
    kind = f" ({key.correction} of line {key.corrects})" if key.correction else ""
    covered = "" if key.package is None else f", covered by {_package(key.package)}"
    return (
        f"{due.quantity} {due.measure} of {due.records} records used at {key.usage_hour:%Y-%m-%d %H:%M} UTC "
        f"at price {key.price}{kind}{covered}"
    )


def decimal(number: Decimal | Fraction) -> str:
    """Return every digit of a number, or the fraction where digits do not end."""
    exact = Fraction(number)
    scaled = abs(exact) * 10**_DIGITS
    if scaled.denominator != 1:
        return str(exact)
    whole, part = divmod(scaled.numerator, 10**_DIGITS)
    return f"{'-' if exact < 0 else ''}{whole}.{part:0{_DIGITS}}".rstrip("0").rstrip(".")


def digest_of_bill(
    bill: Bill, lines: Iterable[Line], *, draws: Iterable[Draw] = (), overruns: Iterable[tuple[Any, ...]] = ()
) -> bytes:
    """Return the SHA-256 over a bill, its lines and its overruns, in the order of the seal, and its draws."""
    head = (bill.number, bill.customer_code, bill.customer_name, bill.hour, bill.records, bill.amount)
    sha256 = hashlib.sha256(_row(*head, bill.issued_at))
    for line in lines:
        names = (line.usage_hour, line.service_name, line.measure, line.billing_item, line.price)
        price = (line.price_kind, int(line.is_own_price), line.unit_price, line.unit_size)
        sums = (line.records, line.quantity, line.amount, line.correction, line.corrects, line.rerating)
        covered = None if line.package is None else f"package {line.package}"
        sha256.update(_row(*names, *price, *sums, covered))
    for draw in sorted(draws, key=attrgetter("package", "is_return")):
        tokens = (draw.package, int(draw.is_return), draw.tokens, draw.left_before, draw.left)
        ran_out = (draw.ran_out_at, draw.ran_out_event_id, draw.ran_out_measure, draw.ran_out_quantity)
        sha256.update(_row("draw", *tokens, *ran_out))
    for overrun in overruns:
        sha256.update(_row("overrun", *overrun))
    return sha256.digest()


def digest_of_parked(*values: Any) -> bytes:
    """Return the SHA-256 over a parked hour: customer, reason, records, amount, instant."""
    return hashlib.sha256(_row(*values)).digest()


def seal_over(*, before: bytes, bills: dict[str, bytes], parked: dict[int, bytes]) -> bytes:
    """Return the seal: over the seal before, the bills by number, and what is parked by customer."""
    sha256 = hashlib.sha256(before)
    for number in sorted(bills, key=str.encode):
        sha256.update(bills[number])
    for customer in sorted(parked):
        sha256.update(parked[customer])
    return sha256.digest()


def _row(*values: Any) -> bytes:
    return ("|".join(_written(value) for value in values if value is not None) + "\n").encode()


def _written(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return _instant(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@lru_cache(maxsize=1000)
def _instant(value: dt.datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"
