"""The rows that a verification needs, read plainly: no sums, no prices, no hashes in here.

What is large comes in chunks, in the order of the customers, so that memory holds one customer's hour at a
time whatever the hour's size. Only bills sealed up to the *horizon* are seen, the hour that was the last
closed one when the verification began: what closes meanwhile changes nothing for it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection
from psycopg.types.datetime import TimestamptzLoader

from invoices.books.archived import Tables
from invoices.books.compare import Bill, Credit, Findings, Purchase
from invoices.books.coverage import Before, Call, Consumption, Draw, Package, PackageList, Period, Reversal
from invoices.books.expected import EarlierBilling, Line, LineKey, Order, Price, PriceList, Usage
from pricing.rules.measures import Measure
from sensenova_billing.lib.database.statements import load_statement, load_template

CHUNK = 5000
_MEASURES = tuple(str(measure) for measure in Measure)
_FIRST = itemgetter(0)


Overruns = dict[int, list[tuple[Any, ...]]]  # the values of each row, by bill


class Seal(NamedTuple):
    """A closed hour's row with its seal's, as stored."""

    hour: dt.datetime
    previous: dt.datetime | None
    sha256: bytes | None
    bills: int
    lines: int
    records: int
    parked: int
    amount: Any
    before: bytes | None


class Parked(NamedTuple):
    """A parked hour's row."""

    customer: int
    reason: str
    records: int
    amount: Any
    parked_at: dt.datetime


def read_all(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a small query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def read_prices() -> PriceList:
    """Return all prices there are and ever were."""
    return PriceList(items=read_all(_ITEMS), prices=map(Price._make, read_all(_PRICES)), measures=_MEASURES)


def read_seals(*, from_hour: dt.datetime | None, until_hour: dt.datetime | None) -> list[Seal]:
    """Return the closed hours of a span, oldest first, each with its seal and the seal before."""
    rows = map(Seal._make, read_all(_SEALS, from_hour, from_hour, until_hour, until_hour))
    return [row._replace(sha256=_bytes(row.sha256), before=_bytes(row.before)) for row in rows]


def _bytes(stored: Any) -> bytes | None:
    return None if stored is None else bytes(stored)


def _used(prefix: str) -> str:
    """Return the columns of all measures; 0 may be stored as null."""
    return ", ".join(f"coalesce({prefix}{measure}, 0)" for measure in _MEASURES)


def read_usage(
    *,
    tables: Tables,
    hour: dt.datetime,
    prices: PriceList,
    packages: PackageList,
    customer: int | None = None,
) -> Iterator[tuple[int, Consumption]]:
    """Return what each customer used that is billed in the hour, reversals left out."""
    begin = end = dt.datetime.min.replace(tzinfo=dt.UTC)
    sql = _RECORDS.substitute(records=tables.records, measures=_used(""), of_customer=_of(customer))
    rows = _stream(sql, hour, *_only(customer))
    for customer_id, records in groupby(rows, _FIRST):
        consumption = Consumption()
        has_packages = customer_id in packages.of
        for _, service, occurred_at, event_id, *quantities in records:
            if not begin <= occurred_at < end:
                begin, end = prices.interval(occurred_at)
            if has_packages:
                call = Call(service, begin, occurred_at, event_id, tuple(quantities))
                consumption.calls.append(call)
            elif (sums := consumption.groups.get((service, begin))) is None:
                consumption.groups[service, begin] = [1, *quantities]
            else:
                sums[0] += 1
                for place, quantity in enumerate(quantities, 1):
                    sums[place] += quantity
        yield customer_id, consumption


def read_reversals(
    *, tables: Tables, hour: dt.datetime, prices: PriceList, found: Findings, customer: int | None = None
) -> Iterator[tuple[int, list[Reversal]]]:
    """Return each customer's reversals, each compared with the record that it reverses."""
    size = len(_MEASURES)
    sql = _REVERSALS.substitute(
        **tables._asdict(),
        measures=_used("record."),
        original_measures=_used("original."),
        of_customer=_of(customer, "record."),
    )
    rows = _stream(sql, hour, *_only(customer))
    for customer_id, records in groupby(rows, _FIRST):
        reversals = []
        for _, code, event_id, billed_in, reversed_id, of_a_reversal, *values in records:
            service, occurred_at, *quantities = values[: size + 2]
            original = [service, occurred_at, *(-quantity for quantity in quantities)]
            if billed_in is None or of_a_reversal or values[size + 2 :] != original:
                text = f"the reversal {event_id} is not the record that it reverses, taken back"
                found.add("reversal", text, hour=hour, customer=code or f"customer {customer_id}")
            if billed_in is not None:
                begin, _ = prices.interval(occurred_at)
                place = service, begin, occurred_at, reversed_id, billed_in
                reversals.append(Reversal(*place, tuple(quantities)))
        yield customer_id, reversals


def read_packages() -> PackageList:
    """Return all quota packages there are and ever were."""
    return PackageList(
        packages=map(Package._make, read_all(_PACKAGES)),
        periods=map(Period._make, read_all(_PERIODS)),
        weights=[(package, *rest) for package, *rest in read_all(_WEIGHTS)],
        measures=_MEASURES,
    )


def read_purchases() -> list[Purchase]:
    """Return every package with its document and its terms."""
    return [Purchase(*row) for row in read_all(_PURCHASES)]


def read_draws(*, sealed_in: dt.datetime) -> Iterator[tuple[int, list[Draw]]]:
    """Return what each customer's bills that were sealed with this hour drew on packages."""
    for customer_id, rows in groupby(_stream(_DRAWS, sealed_in), _FIRST):
        yield customer_id, [Draw(*row[1:]) for row in rows]


def read_overruns(*, sealed_in: dt.datetime) -> Overruns:
    """Return the quota overruns of the bills that were sealed with this hour, by bill."""
    return {bill: [row[1:] for row in rows] for bill, rows in groupby(read_all(_OVERRUNS, sealed_in), _FIRST)}


def read_credits(*, sealed_in: dt.datetime) -> list[Credit]:
    """Return the credits that were issued with this hour."""
    return [Credit(*row) for row in read_all(_CREDITS, sealed_in)]


def read_drawn_before(
    *, customer: int, reversals: list[Reversal], place: tuple[dt.datetime, dt.datetime]
) -> Before:
    """Return what the customer's bills before this place drew: last, and where reversed calls were billed."""
    last = {draw.package: draw for draw in (Draw(*row) for row in read_all(_LAST_DRAWS, customer, *place))}
    hours = sorted({reversal.billed_in for reversal in reversals})
    drawn: dict[dt.datetime, dict[int, Draw]] = {}
    for billed_in, *row in read_all(_DRAWN, customer, hours, *place) if hours else ():
        draw = Draw(*row)
        drawn.setdefault(billed_in, {})[draw.package] = draw
    return Before(last, drawn)


def read_bills(*, sealed_in: dt.datetime) -> Iterator[tuple[int, list[tuple[Bill, list[Line]]]]]:
    """Return each customer's bills that were sealed with this hour, with their lines in the seal's order."""
    for customer_id, rows in groupby(_stream(_BILLS, sealed_in), _FIRST):
        bills = []
        for head, lines in groupby(rows, itemgetter(*range(1, 10))):
            bill = Bill(*head)
            bills.append((bill, [_line(bill, row) for row in lines if row[10] is not None]))
        yield customer_id, bills


def _line(bill: Bill, row: tuple[Any, ...]) -> Line:
    return Line(row[10], bill.id, bill.sealed_in, bill.hour, *row[11:])


def read_orders(*, hour: dt.datetime) -> list[Order]:
    """Return the re-ratings that are to be on the hour's bills."""
    return [Order(*row) for row in read_all(_ORDERS, hour)]


def read_affected(
    *, orders: list[Order], place: tuple[dt.datetime, dt.datetime], customer: int | None = None
) -> Iterator[tuple[int, list[Line]]]:
    """Return each customer's lines, of bills before this place, that may be meant by the re-ratings."""
    if not orders:
        return
    span = min(order.from_hour for order in orders), max(order.until_hour for order in orders)
    prices = [order.price for order in orders]
    sql = _AFFECTED.substitute(line=_LINE, of_customer=_of(customer, "bill."))
    rows = _stream(sql, prices, *span, *place, *_only(customer))
    for customer_id, lines in groupby(rows, _FIRST):
        yield customer_id, [Line(*row[1:]) for row in lines]


def read_before(
    *, customer: int, usage: Usage, affected: list[Line], place: tuple[dt.datetime, dt.datetime]
) -> EarlierBilling:
    """Return the customer's earlier lines that this hour corrects, with all their corrections before."""
    hours = sorted({portion.billed_in for portion in usage if portion.billed_in is not None})
    originals = [Line(*row[1:]) for row in read_all(_ORIGINALS, customer, hours, *place)] if hours else []
    ids = sorted({line.id for line in (*originals, *affected)})
    corrections: dict[int, list[Line]] = {}
    for row in read_all(_CORRECTIONS, ids, *place) if ids else ():
        line = Line(*row[1:])
        corrections.setdefault(line.corrects or 0, []).append(line)
    lines = {
        (line.hour, LineKey(line.usage_hour, line.billing_item, line.price, package=line.package)): line
        for line in originals
    }
    return EarlierBilling(lines, corrections)


def read_parked(*, hour: dt.datetime) -> dict[int, Parked]:
    """Return what was parked when the hour closed, by customer."""
    return {row[0]: Parked(*row) for row in read_all(_PARKED, hour)}


def read_later(*, hour: dt.datetime, horizon: dt.datetime) -> set[int]:
    """Return the customers customer_id bill for this hour was sealed with a later one."""
    return {customer for (customer,) in read_all(_LATER, hour, hour, horizon)}


def by_customer(*streams: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, list[Any]]]:
    """Go through several streams in step: each customer with what each stream holds of it, or None."""
    readers = [iter(stream) for stream in streams]
    heads = [next(reader, None) for reader in readers]
    while waiting := [head[0] for head in heads if head]:
        customer = min(waiting)
        yield customer, [head[1] if head and head[0] == customer else None for head in heads]
        for place, head in enumerate(heads):
            if head and head[0] == customer:
                heads[place] = next(readers[place], None)


def _stream(sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        # Django reads instants in Python, which for millions takes longer than everything else together.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows


def _of(customer: int | None, table: str = "") -> str:
    return "" if customer is None else f"AND {table}customer_id = %s"


def _only(customer: int | None) -> tuple[int, ...]:
    return () if customer is None else (customer,)


_ITEMS = "SELECT id, service_id, measure FROM pricing_billingitem"
_PRICES = """
SELECT id, billing_item_id, customer_id, kind, unit_price, unit_size, begins_at, ends_at FROM pricing_price
"""
_SEALS = load_statement("read_seals.sql", beside=__file__)
_RECORDS = load_template("read_records.sql", beside=__file__)
_REVERSALS = load_template("read_reversals.sql", beside=__file__)
_LINE = """line.usage_hour, line.service_id, line.service_name, line.measure, line.billing_item_id,
       line.price_id, line.price_kind, line.is_own_price, line.unit_price, line.unit_size, line.records,
       line.quantity, line.amount, line.correction, line.corrects_id, line.rerating_id, line.package_id"""
_BILLS = load_statement("read_bills.sql", beside=__file__, line=_LINE)
_PACKAGES = """
SELECT id, number, customer_id, tokens, bought_at, begins_at, expires_at, ended_at FROM pricing_quotapackage
"""
_PERIODS = "SELECT package_id, customer_id, service_id, begins_at, ends_at FROM pricing_methodperiod"
_WEIGHTS = """
SELECT weighed.package_id, item.service_id, item.measure, weighed.weight
  FROM pricing_packageweight AS weighed JOIN pricing_billingitem AS item ON item.id = weighed.billing_item_id
"""
_PURCHASES = load_statement("read_purchases.sql", beside=__file__)
_DRAW = """draw.id, draw.bill_id, draw.package_id, draw.is_return, draw.tokens, draw.left_before, draw.left,
       draw.ran_out_at, draw.ran_out_event_id, draw.ran_out_measure, draw.ran_out_quantity"""
_DRAWS = load_statement("read_draws.sql", beside=__file__, draw=_DRAW)
_CREDITS = load_statement("read_credits.sql", beside=__file__)
_OVERRUNS = load_statement("read_overruns.sql", beside=__file__)
_LAST_DRAWS = load_statement("read_last_draws.sql", beside=__file__, draw=_DRAW)
_DRAWN = load_statement("read_drawn.sql", beside=__file__, draw=_DRAW)
_ORDERS = """
SELECT id, price_id, from_hour, until_hour, unit_price, customer_id
  FROM invoices_rerating
 WHERE billing_hour = %s
 ORDER BY id
"""
_AFFECTED = load_template("read_affected_lines.sql", beside=__file__)
_ORIGINALS = load_statement("read_original_lines.sql", beside=__file__, line=_LINE)
_CORRECTIONS = load_statement("read_corrections.sql", beside=__file__, line=_LINE)
_PARKED = "SELECT customer_id, reason, records, amount, parked_at FROM invoices_parkedhour WHERE hour_id = %s"
_LATER = """
SELECT customer_id
  FROM invoices_hourlybill
 WHERE hour_id = %s AND sealed_in_id > %s AND sealed_in_id <= %s
"""
