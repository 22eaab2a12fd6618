"""The catalogue as rows: the one schema of exports, imports, previews and proposals.

A row belongs to one *sheet*: service groups, services, aliases, prices or call specifications. Its *key*
identifies it; its other values may change. Rows name services, items and customers by
name, so that a sheet means the same in another installation. In cells everything is text:
prices as decimal numbers, instants in UTC as `2026-12-01T00:00:00Z`, nothing as nothing.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from decimal import Decimal
from typing import Any, ClassVar

from pricing.rules.amounts import read_decimal
from pricing.rules.measures import Measure
from pricing.rules.periods import OUTSIDE, is_within
from sensenova_billing.lib.numbers import read_whole_number

LONGEST_QUOTED = 100


class BadCell(ValueError):
    """A cell with a value that its column cannot hold."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column}: {problem}")
        self.column, self.problem = column, problem


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """A section of the price page."""

    sheet: ClassVar[str] = "service groups"
    names: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    family: str
    description: str = ""
    position: int


@dataclass(frozen=True, kw_only=True)
class ServiceRow:
    """A model on sale."""

    sheet: ClassVar[str] = "services"
    names: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    group: str
    position: int


@dataclass(frozen=True, kw_only=True)
class AliasRow:
    """Another name of a service."""

    sheet: ClassVar[str] = "aliases"
    names: ClassVar[tuple[str, ...]] = ("alias",)

    alias: str
    service: str


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """A price of a billing item, for everybody or for the customer with this code."""

    sheet: ClassVar[str] = "prices"
    names: ClassVar[tuple[str, ...]] = ("service", "measure", "customer", "kind", "begins_at")

    service: str
    measure: Measure
    customer: str = ""
    kind: str
    unit_price: Decimal
    unit_size: int
    begins_at: dt.datetime
    ends_at: dt.datetime | None = None
    remove: bool = False


@dataclass(frozen=True, kw_only=True)
class SpecificationRow:
    """The call specification of a service, by default or for the customer with this code."""

    sheet: ClassVar[str] = "call specifications"
    names: ClassVar[tuple[str, ...]] = ("service", "customer", "begins_at")

    service: str
    customer: str = ""
    rpm: int
    tpm: int | None = None
    excludes_cached_input: bool = False
    begins_at: dt.datetime
    ends_at: dt.datetime | None = None
    remove: bool = False


Row = GroupRow | ServiceRow | AliasRow | PriceRow | SpecificationRow
# In the order of writing: rows that others refer to come first.
SHEETS: dict[str, type[Row]] = {
    kind.sheet: kind for kind in (GroupRow, ServiceRow, AliasRow, PriceRow, SpecificationRow)
}


def key_of(row: Row) -> tuple[Any, ...]:
    """Return the key of the row: its sheet and the values that identify it."""
    return (row.sheet, *(getattr(row, name) for name in row.names))


def columns_of(sheet: str) -> list[str]:
    """Return the names of a sheet's columns."""
    return [field.name for field in fields(SHEETS[sheet])]


def cells_of(row: Row) -> dict[str, str]:
    """Return the row as text, column by column."""
    return {field.name: _as_text(getattr(row, field.name)) for field in fields(row)}


def row_of(sheet: str, cells: Mapping[str, str]) -> Row:
    """Read a row back from its cells, or raise BadCell; a column that is missing is an empty one."""
    kind = SHEETS[sheet]
    return kind(**{field.name: _parsed(field, cells.get(field.name, "")) for field in fields(kind)})


def _as_text(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _parsed(field: "Field[Any]", text: str) -> Any:
    try:
        return _PARSERS[field.type](text)
    except ValueError as error:
        raise BadCell(field.name, str(error)) from error


def _whole(text: str) -> int:
    try:
        return read_whole_number(text)
    except ValueError as error:
        raise ValueError(f"{_shortened(text)} is not a whole number. {error}") from error


def _decimal(text: str) -> Decimal:
    try:
        return read_decimal(text)
    except ValueError as error:
        raise ValueError(f"{_shortened(text)} is not a decimal number. {error}") from error


def _shortened(text: str) -> str:
    return repr(text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}...")


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
        # Near the year 1 the same instant may have no date in UTC.
        in_utc = instant.astimezone(dt.UTC) if instant.tzinfo else None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not an instant such as 2026-12-01T00:00:00Z.") from error
    if in_utc is None:
        raise ValueError(f"{text!r} does not say in which zone: write 2026-12-01T00:00:00Z.")
    if not is_within(in_utc):
        raise ValueError(f"{text!r} is too far away. {OUTSIDE}")
    return in_utc


def _measure(text: str) -> Measure:
    if text not in list(Measure):
        raise ValueError(f"{text!r} is none of {', '.join(Measure)}.")
    return Measure(text)


def _yes(text: str) -> bool:
    if text not in {"", "yes"}:
        raise ValueError(f"{text!r} is neither yes nor empty.")
    return text == "yes"


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: _whole,
    int | None: lambda text: _whole(text) if text else None,
    Decimal: _decimal,
    dt.datetime: _instant,
    dt.datetime | None: lambda text: _instant(text) if text else None,
    Measure: _measure,
    bool: _yes,
}
