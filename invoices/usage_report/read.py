"""A customer's usage of a span, in buckets: of charge lines, open hours as they stand, and metadata's shares.

Every amount is one of charge lines, or of open hours as they would be billed; groups add up to exactly these.
By metadata, what has no value is *not set*, and open hours stand apart: they are summed up after they close.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from string import Template
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from accounts.models import Customer
from invoices.running.open_hours import OpenHour, read_open_hours
from invoices.usage_report.spans import Span, Width
from pricing.models import Price
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from sensenova_billing.lib.database.statements import load_template
from usage.billing_hours import EPOCH, hour_of, last_closed_hour

SERVICE, ITEM = "service", "item"
NOTHING = Decimal(0)
Quantities = dict[str, Decimal]


class Group(NamedTuple):
    """What usage is grouped by: a service, one of its billing items, or a value of metadata."""

    service: str = ""
    measure: str = ""
    value: str | None = None  # '' is all values beyond those that are told apart
    service_id: int = 0
    is_open: bool = False  # by metadata: hours that are not summed up yet


@dataclass(frozen=True)
class UsageRow:
    """What one group used in one bucket; `saved` by offers and trials, where the list price is known."""

    begins: dt.datetime
    group: Group
    calls: int
    quantities: Quantities  # by unit, e.g. tokens
    amount: Decimal
    saved: Decimal | None = None
    measured: Quantities = field(default_factory=dict)  # the same by measure


@dataclass(frozen=True)
class Usage:
    """The rows of a span, oldest first; the bill of each hour, and the hours that are still open."""

    rows: list[UsageRow]
    bills: dict[dt.datetime, str]
    open_hours: list[OpenHour]
    closed: dt.datetime


class _Part(NamedTuple):
    """One measure of a service in a bucket."""

    begins: dt.datetime
    service_id: int
    service: str
    measure: str
    calls: int
    calls_of_service: int
    quantity: Decimal
    amount: Decimal
    saved: Decimal | None
    is_open: bool = False


def read_usage(
    *,
    customer: Customer,
    span: Span,
    group_by: str,
    now: dt.datetime,
    services: list[int] | None = None,
) -> Usage:
    """Return the usage of a span, by service, by billing item, or by a name of metadata."""
    closed = last_closed_hour() or EPOCH
    this_hour = hour_of(now)
    open_hours = []
    if span.ends > closed and span.begins <= this_hour:
        open_hours = read_open_hours(customer=customer, after=closed, this_hour=this_hour)
        open_hours = [hour for hour in open_hours if span.begins <= hour.hour < span.ends]
    values = {
        "customer": customer.pk,
        "closed": closed,
        "begins": span.begins,
        "ends": span.ends,
        "services": services,
        "zone": str(span.zone),
        "name": group_by,
    }
    rows = _rows(_LINES, span, values)
    billed = [_Part(*row[:-1]) for row in rows]
    bills = {row[0]: row[-1] for row in rows} if span.width is Width.HOUR else {}
    running = _open_parts(open_hours, customer, span, services)
    if group_by in (SERVICE, ITEM):
        found = _by_service(billed + running, by_item=group_by == ITEM)
    else:
        found = _by_value(_rows(_METADATA, span, values), billed, running)
    return Usage(sorted(found, key=_order), bills, open_hours, closed)


def _by_service(parts: Iterable[_Part], *, by_item: bool) -> list[UsageRow]:
    together: dict[tuple[dt.datetime, Group], list[_Part]] = {}
    for part in parts:
        group = Group(part.service, part.measure if by_item else "", None, part.service_id)
        together.setdefault((part.begins, group), []).append(part)
    return [_row(begins, group, its, by_item=by_item) for (begins, group), its in together.items()]


def _row(begins: dt.datetime, group: Group, parts: list[_Part], *, by_item: bool = False) -> UsageRow:
    saved = [part.saved for part in parts if part.saved is not None]
    return UsageRow(
        begins,
        group,
        sum(part.calls for part in parts) if by_item else _calls(parts),
        _quantities((part.measure, part.quantity) for part in parts),
        exact_sum(part.amount for part in parts),
        exact_sum(saved) if saved else None,
        _measured((part.measure, part.quantity) for part in parts),
    )


def _calls(parts: Iterable[_Part]) -> int:
    """Return the calls of some services' items: those of closed hours once, and of open hours."""
    return sum({(part.service_id, part.is_open): part.calls_of_service for part in parts}.values())


def _by_value(shares: list[tuple[Any, ...]], billed: list[_Part], running: list[_Part]) -> list[UsageRow]:
    values: dict[tuple[dt.datetime, str], list[tuple[Any, ...]]] = {}
    for begins, value, *share in shares:
        values.setdefault((begins, value), []).append(tuple(share))
    rows = [
        UsageRow(
            begins,
            Group(value=value),
            its[0][1],
            _quantities((measure, quantity) for measure, _, quantity, _ in its),
            exact_sum(amount for *_, amount in its),
            None,
            _measured((measure, quantity) for measure, _, quantity, _ in its),
        )
        for (begins, value), its in values.items()
    ]
    by_bucket: dict[dt.datetime, list[UsageRow]] = {}
    for row in rows:
        by_bucket.setdefault(row.begins, []).append(row)
    totals: dict[dt.datetime, list[_Part]] = {}
    for part in billed:
        totals.setdefault(part.begins, []).append(part)
    for begins, its in totals.items():
        rows += _rest(_row(begins, Group(), its), by_bucket.get(begins, []))
    return rows + [
        _row(begins, Group(is_open=True), [part for part in running if part.begins == begins])
        for begins in sorted({part.begins for part in running})
    ]


def _rest(total: UsageRow, rows: list[UsageRow]) -> list[UsageRow]:
    """Return what these rows leave of the total, if anything."""
    amount = exact_sum([total.amount, *(-row.amount for row in rows)])
    quantities = _less(total.quantities, [row.quantities for row in rows])
    measured = _less(total.measured, [row.measured for row in rows])
    calls = max(total.calls - sum(row.calls for row in rows), 0)
    if not (amount or calls or any(quantities.values())):
        return []
    return [UsageRow(total.begins, Group(), calls, quantities, amount, None, measured)]


def _open_parts(
    open_hours: list[OpenHour], customer: Customer, span: Span, services: list[int] | None
) -> list[_Part]:
    charges = [
        (hour.hour, charge)
        for hour in open_hours
        for charge in hour.charges
        if services is None or charge.service_id in services
    ]
    cheaper = {charge.service_id for _, charge in charges if charge.kind != Kind.LIST_PRICE}
    lists = _list_prices(customer, cheaper)
    calls: dict[tuple[dt.datetime, int, str], int] = {}
    for hour, charge in charges:
        item = (span.bucket_of(hour), charge.service_id, charge.measure)
        calls[item] = calls.get(item, 0) + (0 if charge.correction else charge.records)
    most: dict[tuple[dt.datetime, int], int] = {}
    for (begins, service_id, _), number in calls.items():
        most[begins, service_id] = max(most.get((begins, service_id), 0), number)
    parts = []
    for hour, charge in charges:
        begins = span.bucket_of(hour)
        saved = None
        if charge.kind != Kind.LIST_PRICE and not charge.package:
            saved = _saved(charge, lists.get((charge.service_id, charge.measure), []))
        parts.append(
            _Part(
                begins,
                charge.service_id,
                charge.service,
                charge.measure,
                0 if charge.correction else charge.records,
                most[begins, charge.service_id],
                charge.quantity,
                charge.amount,
                saved,
                is_open=True,
            )
        )
    return parts


def _saved(charge: Any, prices: list[Price]) -> Decimal | None:
    for price in prices:
        if price.begins_at <= charge.hour and (price.ends_at is None or price.ends_at > charge.hour):
            listed = amount_of(
                quantity=charge.quantity, unit_price=price.unit_price, unit_size=price.unit_size
            )
            return exact_sum([listed, -charge.amount])
    return None


def _list_prices(customer: Customer, services: set[int]) -> dict[tuple[int, str], list[Price]]:
    """Return the list prices of these services' items, the customer's own first."""
    found: dict[tuple[int, str], list[Price]] = {}
    if services:
        prices = Price.objects.filter(
            Q(customer=None) | Q(customer=customer), kind=Kind.LIST_PRICE, billing_item__service__in=services
        )
        for price in prices.select_related("billing_item").order_by("customer", "-begins_at"):
            item = price.billing_item
            found.setdefault((item.service_id, item.measure), []).append(price)
    return found


def _less(total: Quantities, taken: list[Quantities]) -> Quantities:
    return {one: total[one] - sum((its.get(one, NOTHING) for its in taken), NOTHING) for one in total}


def _quantities(parts: Iterable[tuple[str, Decimal]]) -> Quantities:
    return _measured((Measure(measure).unit, quantity) for measure, quantity in parts)


def _measured(parts: Iterable[tuple[str, Decimal]]) -> Quantities:
    found: Quantities = {}
    for name, quantity in parts:
        found[name] = found.get(name, NOTHING) + quantity
    return found


def _order(row: UsageRow) -> tuple[Any, ...]:
    group = row.group
    return (
        row.begins,
        group.is_open,
        group.service_id,
        group.measure and list(Measure).index(Measure(group.measure)),
        group.value is None and not group.service,
        group.value == "",
        group.value or "",
    )


def _rows(statement: Template, span: Span, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    bucket = "bill.hour_id"
    if span.width is Width.SPAN:
        bucket = "%(begins)s::timestamptz"
    elif span.width is not Width.HOUR:
        bucket = f"date_trunc('{span.width}', bill.hour_id, %(zone)s)"
    with connection.cursor() as cursor:
        number = "bill.number" if span.width is Width.HOUR else "NULL::text"
        cursor.execute(statement.substitute(bucket=bucket, number=number), values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_LINES = load_template("read_lines.sql", beside=__file__)
_METADATA = load_template("read_metadata.sql", beside=__file__)
