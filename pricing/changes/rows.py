"""The catalogue as rows: the one schema of exports, imports, previews and proposals.

A row belongs to one *sheet*: service groups, services, aliases, prices, call specifications or package
products. Its *key* identifies it; its other values may change. Rows name services, items and customers by
name, so that a sheet means the same in another installation. In cells everything is text:
prices as decimal numbers, instants in UTC as `2026-12-01T00:00:00Z`, several names as `General, "a, b"`,
nothing as nothing.
"""

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, fields, replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pricing.rules.amounts import plain
from pricing.rules.measures import Measure
from pricing.rules.methods import PACKAGE_METHODS, BillingMethod
from pricing.rules.periods import OUTSIDE, is_within
from pricing.rules.validity import ValidityUnit
from sensenova_billing.lib.decimals import read_decimal
from sensenova_billing.lib.local_time import utc_text
from sensenova_billing.lib.numbers import read_whole_number

LONGEST_QUOTED = 100
# Prices and package terms may begin or end when the row is applied: no row means the first instant there is.
AT_ONCE = dt.datetime.min.replace(tzinfo=dt.UTC)
AT_ONCE_TEXT = "at once"
OrAtOnce = Annotated[dt.datetime, "an instant, or at once"]
Names = tuple[str, ...]


class RefusedRow(ValueError):
    """A row that the catalogue cannot take, with the reason in words."""


class UnknownName(RefusedRow):
    """A row refers to a name that does not exist."""


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
    begins_at: OrAtOnce
    ends_at: OrAtOnce | None = None
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


@dataclass(frozen=True, kw_only=True, order=True)
class ItemWeight:
    """How many tokens of a package a token of a billing item takes."""

    service: str
    measure: Measure
    weight: Decimal

    def __str__(self) -> str:
        return f"{self.service}/{self.measure}: {plain(self.weight)}"


Weights = tuple[ItemWeight, ...]


@dataclass(frozen=True, kw_only=True)
class PackageRow:
    """The terms of a package product over a period; services, groups and weights are in their order."""

    sheet: ClassVar[str] = "package products"
    names: ClassVar[tuple[str, ...]] = ("product", "begins_at")

    product: str
    method: BillingMethod
    services: Names = ()
    groups: Names = ()
    tokens: int | None = None
    validity: int
    validity_unit: ValidityUnit
    list_price: Decimal
    offer_price: Decimal | None = None
    rpm: int | None = None
    tpm: int | None = None
    weights: Weights = ()
    begins_at: OrAtOnce
    ends_at: OrAtOnce | None = None
    remove: bool = False


Row = GroupRow | ServiceRow | AliasRow | PriceRow | SpecificationRow | PackageRow
DATED = (PriceRow, SpecificationRow, PackageRow)
# In the order of writing: rows that others refer to come first.
SHEETS: dict[str, type[Row]] = {kind.sheet: kind for kind in (GroupRow, ServiceRow, AliasRow, *DATED)}


def key_of(row: Row) -> tuple[Any, ...]:
    """Return the key of the row: its sheet and the values that identify it."""
    return (row.sheet, *(getattr(row, name) for name in row.names))


def at_once(row: PriceRow, now: dt.datetime) -> PriceRow:
    """Return the row with what begins or ends now doing so when it is applied."""
    return replace(
        row,
        begins_at=AT_ONCE if row.begins_at == now else row.begins_at,
        ends_at=AT_ONCE if row.ends_at == now else row.ends_at,
    )


def columns_of(sheet: str) -> list[str]:
    """Return the names of a sheet's columns."""
    return [field.name for field in fields(SHEETS[sheet])]


def cells_of(row: Row) -> dict[str, str]:
    """Return the row as text, column by column."""
    return {field.name: _as_text(field, getattr(row, field.name)) for field in fields(row)}


def row_of(sheet: str, cells: Mapping[str, str]) -> Row:
    """Read a row back from its cells, or raise BadCell; a column that is missing is an empty one."""
    kind = SHEETS[sheet]
    return kind(**{field.name: _parsed(field, cells.get(field.name, "")) for field in fields(kind)})


def names_text(names: Iterable[str]) -> str:
    """Return names side by side; one that could be taken for several stands in quotation marks."""
    return ", ".join(_quoted(name) if {",", '"'} & set(name) else name for name in names)


def read_names(text: str) -> Names:
    """Read them back, in their order; raise ValueError for one that is given twice."""
    try:
        names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True, strict=True), [])]
    except csv.Error as error:
        raise ValueError(f"{_shortened(text)} is no list of names with commas between them.") from error
    _require_once(names)
    return tuple(sorted(name for name in names if name))


def read_weights(text: str) -> Weights:
    """Read weights such as `SenseChat-5/output_tokens: 2`; raise ValueError."""
    weights = [_weight(one) for one in read_names(text)]
    _require_once([f"{one.service}/{one.measure}" for one in weights])
    return tuple(sorted(weights))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _require_once(names: list[str]) -> None:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice:
        raise ValueError(f"{_shortened(twice)} is given twice.")


def _weight(text: str) -> ItemWeight:
    item, colon, weight = text.rpartition(":")
    service, slash, measure = item.strip().rpartition("/")
    if not (colon and slash):
        raise ValueError(f"{_shortened(text)} is no weight such as SenseChat-5/output_tokens: 2.")
    return ItemWeight(service=service, measure=_measure(measure), weight=_decimal(weight.strip()))


def _as_text(field: "Field[Any]", value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if value == AT_ONCE and field.type in {OrAtOnce, OrAtOnce | None}:
        return AT_ONCE_TEXT
    if isinstance(value, tuple):
        return names_text(str(one) for one in value)
    if isinstance(value, dt.datetime):
        return utc_text(value)
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


def _or_at_once(text: str) -> dt.datetime:
    return AT_ONCE if text == AT_ONCE_TEXT else _instant(text)


def _package_method(text: str) -> BillingMethod:
    if text not in PACKAGE_METHODS:
        raise ValueError(f"{text!r} is none of {', '.join(PACKAGE_METHODS)}.")
    return BillingMethod(text)


def _validity_unit(text: str) -> ValidityUnit:
    if text not in list(ValidityUnit):
        raise ValueError(f"{text!r} is none of {', '.join(ValidityUnit)}.")
    return ValidityUnit(text)


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
    Decimal | None: lambda text: _decimal(text) if text else None,
    OrAtOnce: _or_at_once,
    OrAtOnce | None: lambda text: _or_at_once(text) if text else None,
    BillingMethod: _package_method,
    ValidityUnit: _validity_unit,
    Names: read_names,
    Weights: read_weights,
}
