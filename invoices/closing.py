"""Closing an hour: its usage becomes charge lines and bills, once and for ever.

Whoever closes, however often and whenever, the outcome is the same: the exclusive lock waits for records
on their way, the row of the billing hour can be inserted once only, and one transaction holds it all.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from invoices.models import HourSeal
from invoices.rating import RATED, rating_parameters
from pricing.measures import Measure
from usage.hours import BEGINNING, bar_hour, last_closed_hour, next_hour_to_close
from usage.models import HOUR, BillingHour


class NotConserved(Exception):
    """The lines would not hold exactly what the records hold; the hour stays open."""


@dataclass(frozen=True)
class ClosedHour:
    """What the closing of one hour made."""

    hour: dt.datetime
    records: int
    bills: int
    lines: int
    amount: Decimal


def close_due_hours(*, now: dt.datetime) -> list[ClosedHour]:
    """Close every hour that ended at least the grace ago, oldest first, and return those that we closed."""
    closed = []
    while (hour := next_hour_to_close()) is not None and hour + HOUR + settings.CLOSING_GRACE <= now:
        if made := close_hour(hour=hour, now=now):
            closed.append(made)
    return closed


@transaction.atomic(durable=True)
def close_hour(*, hour: dt.datetime, now: dt.datetime) -> ClosedHour | None:
    """Turn the hour's records into bills and close it for ever; None when it is not this hour's turn."""
    bar_hour(hour)
    if last_closed_hour() is None:
        bar_hour(BEGINNING)
    if next_hour_to_close() != hour:
        return None  # another closing was faster, or an older record came before the very first closing
    previous = last_closed_hour()
    BillingHour.objects.create(hour=hour, previous_id=previous, closed_at=now)
    return _seal(hour=hour, previous=previous, made=_bill(hour=hour, now=now))


def _bill(*, hour: dt.datetime, now: dt.datetime) -> ClosedHour:
    with connection.cursor() as cursor:
        cursor.execute(_BILL, {**rating_parameters(hour=hour), "now": now})
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    for measure in Measure:
        _require_equal(hour, measure.label, row[f"consumed_{measure}"], row[f"billed_{measure}"])
    _require_equal(hour, "Records", row["consumed_records"], row["billed_records"])
    _require_equal(hour, "Amounts", row["lines_amount"], row["bills_amount"])
    return ClosedHour(
        hour=hour,
        records=row["consumed_records"],
        bills=row["bills"],
        lines=row["lines"],
        amount=row["lines_amount"],
    )


def _require_equal(hour: dt.datetime, what: str, there: Any, here: Any) -> None:
    if there != here:
        raise NotConserved(f"{what} of the hour {hour:%Y-%m-%dT%H:%MZ}: {there} consumed, {here} billed.")


def _seal(*, hour: dt.datetime, previous: dt.datetime | None, made: ClosedHour) -> ClosedHour:
    HourSeal.objects.create(
        hour_id=hour,
        sha256=seal_of(hour=hour, previous=previous),
        bills=made.bills,
        lines=made.lines,
        records=made.records,
        amount=made.amount,
    )
    return made


def seal_of(*, hour: dt.datetime, previous: dt.datetime | None) -> bytes:
    """Return the SHA-256 over the seal before and over every bill and line of the hour, in UTF-8."""
    before = HourSeal.objects.get(pk=previous).sha256 if previous else b""
    digest = hashlib.sha256(bytes(before))
    with connection.cursor() as cursor:
        cursor.execute(_SEALED, [hour])
        while rows := cursor.fetchmany(10_000):
            for (line,) in rows:
                digest.update(line.encode() + b"\n")
    return digest.digest()


# Bills and lines of the hour in one statement, and what it took to check them: the sums of the records
# that went in and of the lines that came out.
_CONSUMED = ", ".join(
    f"(SELECT coalesce(sum({measure}), 0) FROM consumed) AS consumed_{measure},"  # noqa: S608
    f"(SELECT coalesce(sum(quantity), 0) FROM lines WHERE measure = '{measure}') AS billed_{measure}"
    for measure in Measure
)
_BILL = f"""{RATED}, bills AS (
    INSERT INTO invoices_hourlybill
           (number, customer_id, hour_id, customer_code, customer_name, records, amount, issued_at)
    SELECT to_char(%(hour)s AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24"Z-"') || customer.code, customer.id,
           %(hour)s, customer.code, customer.name, used.records, owed.amount, %(now)s
      FROM (SELECT customer_id, sum(amount) AS amount FROM rated GROUP BY customer_id) AS owed
      JOIN (SELECT customer_id, sum(records)::bigint AS records FROM consumed GROUP BY customer_id) AS used
           USING (customer_id)
      JOIN accounts_customer AS customer ON customer.id = owed.customer_id
 RETURNING id, customer_id, records, amount
), lines AS (
    INSERT INTO invoices_chargeline
           (bill_id, billing_item_id, price_id, service_id, usage_hour, service_name, measure, price_kind,
            is_own_price, unit_price, unit_size, records, quantity, amount)
    SELECT bills.id, billing_item_id, price_id, service_id, usage_hour, service.name, measure, kind,
           is_own_price, unit_price, unit_size, rated.records, quantity, rated.amount
      FROM rated
      JOIN bills USING (customer_id)
      JOIN pricing_service AS service ON service.id = rated.service_id
 RETURNING measure, quantity, amount
)
SELECT (SELECT count(*) FROM bills) AS bills,
       (SELECT count(*) FROM lines) AS lines,
       (SELECT coalesce(sum(amount), 0) FROM lines) AS lines_amount,
       (SELECT coalesce(sum(amount), 0) FROM bills) AS bills_amount,
       (SELECT coalesce(sum(records), 0) FROM consumed)::bigint AS consumed_records,
       (SELECT coalesce(sum(records), 0) FROM bills)::bigint AS billed_records,
       {_CONSUMED}
"""  # noqa: S608

# Every line with its bill; a value is what PostgreSQL writes for it, instants always in the same form.
_INSTANT = "'YYYY-MM-DD HH24:MI:SS.US'"
_SEALED = f"""
SELECT concat_ws('|', bill.number, bill.customer_code, bill.customer_name, bill.records, bill.amount,
                 to_char(bill.issued_at AT TIME ZONE 'UTC', {_INSTANT}),
                 to_char(line.usage_hour AT TIME ZONE 'UTC', {_INSTANT}),
                 line.service_name, line.measure, line.billing_item_id, line.price_id, line.price_kind,
                 line.is_own_price::int, line.unit_price, line.unit_size, line.records, line.quantity,
                 line.amount)
  FROM invoices_chargeline AS line
  JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id
 WHERE bill.hour_id = %s
 ORDER BY bill.number COLLATE "C", line.usage_hour, line.billing_item_id, line.price_id
"""  # noqa: S608
