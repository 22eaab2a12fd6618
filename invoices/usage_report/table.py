"""What the usage page shows and its files hold: the groups of a span, and its buckets."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.translation import gettext

from invoices.templatetags.amounts import series
from invoices.usage_report.read import ITEM, NOTHING, SERVICE, Group, Quantities, Usage, UsageRow
from invoices.usage_report.spans import Span, Width
from pricing.files.csv import Cell
from pricing.rules.amounts import exact_sum
from pricing.rules.measures import Measure
from pricing.words import measure_name
from sensenova_billing.lib.local_time import hour_text, minute_text

# So many groups have columns and colours of their own; the dearest come first, the others are one.
MOST_GROUPS = 12


@dataclass(frozen=True)
class Sum:
    """Calls, quantities by unit, amount and saving of some rows."""

    calls: int = 0
    quantities: Quantities = field(default_factory=dict)
    amount: Decimal = NOTHING
    saved: Decimal | None = None


@dataclass(frozen=True)
class GroupColumn:
    """A group of the span, or all that have no column of their own."""

    label: str
    series: int
    sum: Sum


@dataclass(frozen=True)
class BucketRow:
    """An hour, day or month; `cells` are the amounts of the groups, None where nothing was used."""

    begins: dt.datetime
    label: str
    short: str
    is_open: bool
    sum: Sum
    cells: list[Decimal | None]


@dataclass(frozen=True)
class UsageTable:
    """A span as it is shown; buckets oldest first."""

    units: list[str]
    groups: list[GroupColumn]
    buckets: list[BucketRow]
    total: Sum


def table_of(usage: Usage, *, span: Span, now: dt.datetime) -> UsageTable:
    """Arrange the rows of a span by groups, dearest first, and by buckets."""
    by_group: dict[Group, list[UsageRow]] = {}
    for row in usage.rows:
        by_group.setdefault(row.group, []).append(row)
    sums = {group: _sum(rows) for group, rows in by_group.items()}
    dearest = sorted(sums, key=lambda group: -sums[group].amount)
    own, others = dearest[:MOST_GROUPS], dearest[MOST_GROUPS:]
    columns = [[group] for group in own] + ([others] if others else [])
    by_bucket: dict[dt.datetime, list[UsageRow]] = {}
    for row in usage.rows:
        by_bucket.setdefault(row.begins, []).append(row)
    total = _sum(usage.rows)
    return UsageTable(
        units=units_of(usage),
        groups=[
            GroupColumn(
                label_of(its[0]) if place < len(own) else gettext("all others"),
                _series(its[0], place),
                _sum(row for group in its for row in by_group[group]),
            )
            for place, its in enumerate(columns)
        ],
        buckets=[
            _bucket(begins, by_bucket.get(begins, []), columns, span=span, now=now)
            for begins in span.buckets()
            if begins <= now
        ],
        total=total,
    )


def units_of(usage: Usage) -> list[str]:
    """Return the units of which something was used, in the order of the measures."""
    used = {unit for row in usage.rows for unit, quantity in row.quantities.items() if quantity}
    return [unit for unit in dict.fromkeys(one.unit for one in Measure) if unit in used]


def label_of(group: Group) -> str:
    """Return a group's name on the page."""
    if group.is_open:
        return gettext("hours that are not closed yet")
    if group.value == "":
        return gettext("other values")
    if group.value is not None:
        return group.value
    if not group.service:
        return gettext("not set")
    return f"{group.service}: {measure_name(group.measure)}" if group.measure else group.service


def bucket_text(begins: dt.datetime, span: Span) -> str:
    """Return e.g. `2026-11-23 10:00-11:00`, `2026-11-23` or `2026-11`."""
    if span.width is Width.HOUR:
        return hour_text(begins, span.zone)
    if span.width is Width.SPAN:
        return f"{minute_text(span.begins, span.zone)} to {minute_text(span.ends, span.zone)}"
    local = begins.astimezone(span.zone)
    return f"{local:%Y-%m}" if span.width is Width.MONTH else f"{local:%Y-%m-%d}"


def file_head(group_by: str, units: list[str]) -> list[str]:
    """Return the columns of a file."""
    groups = {SERVICE: ["service"], ITEM: ["service", "billing_item"]}.get(group_by, [group_by, "state"])
    return ["period_local", "begins_utc", "time_zone", *groups, "calls", *units, "amount_rmb", "saved_rmb"]


def file_rows(usage: Usage, *, span: Span, group_by: str, units: list[str]) -> Iterator[list[Cell]]:
    """Yield what the page shows, a row for each group of each bucket."""
    for row in usage.rows:
        group = row.group
        state = "open" if group.is_open else "not set" if group.value is None else ""
        groups = {SERVICE: [group.service], ITEM: [group.service, group.measure]}.get(
            group_by, [group.value or "", state or ("" if group.value else "other values")]
        )
        yield [
            bucket_text(row.begins, span),
            f"{row.begins.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            span.zone.key,
            *groups,
            row.calls,
            *(row.quantities.get(unit, NOTHING) for unit in units),
            row.amount,
            row.saved,
        ]


def _bucket(
    begins: dt.datetime,
    rows: list[UsageRow],
    columns: list[list[Group]],
    *,
    span: Span,
    now: dt.datetime,
) -> BucketRow:
    amounts: dict[Group, Decimal] = {row.group: row.amount for row in rows}
    text = bucket_text(begins, span)
    return BucketRow(
        begins,
        text,
        text[11:16] if span.width is Width.HOUR else text[-5:] if span.width is Width.DAY else text,
        is_open=span.after(begins) > now,
        sum=_sum(rows),
        cells=[_cell([amounts[group] for group in its if group in amounts]) for its in columns],
    )


def _cell(amounts: list[Decimal]) -> Decimal | None:
    return exact_sum(amounts) if amounts else None


def _sum(rows: Iterable[UsageRow]) -> Sum:
    rows = list(rows)
    quantities: Quantities = {}
    for row in rows:
        for unit, quantity in row.quantities.items():
            quantities[unit] = quantities.get(unit, NOTHING) + quantity
    saved = [row.saved for row in rows if row.saved is not None]
    return Sum(
        _calls(rows),
        quantities,
        exact_sum(row.amount for row in rows),
        exact_sum(saved) if saved else None,
    )


def _calls(rows: list[UsageRow]) -> int:
    """Return the calls of some rows; a service's call is one, however many items of it are charged."""
    calls: dict[tuple[dt.datetime, Group], int] = {}
    for row in rows:
        service = (row.begins, row.group._replace(measure=""))
        calls[service] = max(calls.get(service, 0), row.calls)
    return sum(calls.values())


def _series(group: Group, place: int) -> int:
    return series(group.service_id) if group.service_id and not group.measure else place % 16
