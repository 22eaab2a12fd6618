"""Stored lines beside what is due, and stored seals beside what they should be: plain Python, no Django.

The seal is computed here from its documented form (invoices/closing/seal.py says it in SQL): a bill is its
head and its lines, one a row, values parted by `|`, nulls left out, instants as `2026-01-31 18:00:00.000000`
UTC.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from invoices.books.expected import Due, Line, LineKey, exact_amount

FIRST = 100
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
        key = LineKey(line.usage_hour, line.billing_item, line.price, line.correction, line.corrects)
        if key in stored:
            yield "billed twice", f"says again what line {stored[key].id} says", line
        stored.setdefault(key, line)
    for key, line in stored.items():
        expected = due.get(key)
        if expected is None:
            yield *_unexplained(line=line, key=key, due=due), line
        else:
            for what, text in _differences(line=line, due=expected):
                yield what, text, line
    for key, expected in due.items():
        if key not in stored and not _at_another_price(key, stored):
            yield "unbilled", f"no line bills {_words(key, expected)}", None


def _at_another_price(key: LineKey, keys: Iterable[LineKey]) -> bool:
    return any(key._replace(price=other.price) == other for other in keys)


def _unexplained(*, line: Line, key: LineKey, due: dict[LineKey, Due]) -> tuple[str, str]:
    for other in due:
        if key._replace(price=other.price) == other:
            return "price", f"is at price {line.price}, in force was price {other.price}"
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


def _words(key: LineKey, due: Due) -> str:
    kind = f" ({key.correction} of line {key.corrects})" if key.correction else ""
    return (
        f"{due.quantity} {due.measure} of {due.records} records used at {key.usage_hour:%Y-%m-%d %H:%M} UTC "
        f"at price {key.price}{kind}"
    )


def decimal(number: Decimal | Fraction) -> str:
    """Return every digit of a number, or the fraction where digits do not end."""
    exact = Fraction(number)
    scaled = abs(exact) * 10**_DIGITS
    if scaled.denominator != 1:
        return str(exact)
    whole, part = divmod(scaled.numerator, 10**_DIGITS)
    return f"{'-' if exact < 0 else ''}{whole}.{part:0{_DIGITS}}".rstrip("0").rstrip(".")


def digest_of_bill(bill: Bill, lines: Iterable[Line]) -> bytes:
    """Return the SHA-256 over a bill and its lines, which come in the order of the seal."""
    head = (bill.number, bill.customer_code, bill.customer_name, bill.hour, bill.records, bill.amount)
    sha256 = hashlib.sha256(_row(*head, bill.issued_at))
    for line in lines:
        names = (line.usage_hour, line.service_name, line.measure, line.billing_item, line.price)
        price = (line.price_kind, int(line.is_own_price), line.unit_price, line.unit_size)
        sums = (line.records, line.quantity, line.amount, line.correction, line.corrects, line.rerating)
        sha256.update(_row(*names, *price, *sums))
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
