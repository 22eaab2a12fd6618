"""One statement that turns an hour into bills: charge, check, park or bill, and return the totals.

Each customer's part is checked by itself. A part that its lines do not cover exactly, or that looks wrong, is
parked with the reason; all others are billed. A released hour is checked again, but not against the bounds: a
person has approved it.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from invoices.models import Correction
from invoices.rating.charges_sql import CHARGED, charging_parameters
from invoices.rating.usage_sql import consumed
from pricing.rules.measures import Measure

# With fewer bills in the last days there is no usual amount to compare with.
BILLS_TO_KNOW_WHAT_IS_USUAL = 24
DAYS_TO_LOOK_BACK = 7


class NotConserved(Exception):
    """The bills and the parked hours do not hold exactly what the records hold; the hour stays open."""


@dataclass(frozen=True)
class Billed:
    """What was made of an hour, or of some customers' parked part of it."""

    records: int
    bills: int
    lines: int
    parked: int
    amount: Decimal


def bill_hour(
    *, hour: dt.datetime, sealed_in: dt.datetime, now: dt.datetime, released: list[int] | None = None
) -> Billed:
    """Bill or park every customer's part of the hour, or bill these customers' released parts of it."""
    values = charging_parameters(hour=hour, sealed_in=sealed_in, customers=released)
    bounds = _bounds(hour=hour, apply=released is None)
    with connection.cursor() as cursor:
        cursor.execute(_GROUP.format(consumed=consumed(changes=len(values["changes"]))), values)
        cursor.execute(_BILL, {**values, **bounds, "now": now})
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    for what in ("records", "lines", "quantity", "amount"):
        if row[f"{what}_there"] != row[f"{what}_here"]:
            raise NotConserved(
                f"{what.capitalize()} of the hour {hour:%Y-%m-%dT%H:%MZ}: {row[f'{what}_there']} to bill, "
                f"{row[f'{what}_here']} billed or parked."
            )
    return Billed(**{name: row[name] for name in ("records", "bills", "lines", "parked", "amount")})


def _bounds(*, hour: dt.datetime, apply: bool) -> dict[str, Any]:
    return {
        "bounds": apply,
        "most_amount": settings.PARK_ABOVE_AMOUNT,
        "most_lines": settings.PARK_ABOVE_LINES,
        "times_usual": settings.PARK_ABOVE_TIMES_USUAL,
        "unusual_from": settings.PARK_UNUSUAL_FROM,
        "usual_since": hour - dt.timedelta(days=DAYS_TO_LOOK_BACK),
    }


_CONSUMED = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_BILLED = ", ".join(
    f"sum(quantity) FILTER (WHERE measure = '{measure}' AND rerating_id IS NULL) AS {measure}"
    for measure in Measure
)
_DIFFERS = "\n".join(
    f"""WHEN coalesce(consumed.{measure}, 0) <> coalesce(owed.{measure}, 0)
            THEN format('{measure.label}: %%s consumed, %%s billed.', coalesce(consumed.{measure}, 0),
                        coalesce(owed.{measure}, 0))"""
    for measure in Measure
)
# A statement of its own, because PostgreSQL groups in parallel only where nothing is written besides. The
# table is temporary, and no record can have come in between: the hour is locked.
#
# Without plain index scans, which would fetch the records in the order of their customers, one page each:
# the records of an hour lie together, and are read faster as they lie.
_GROUP = """
DROP TABLE IF EXISTS pg_temp.consumed;
SET LOCAL enable_indexscan = off;
CREATE TEMPORARY TABLE consumed ON COMMIT DROP AS {consumed};
SET LOCAL enable_indexscan TO DEFAULT;
ANALYZE pg_temp.consumed;
"""
# One number for all quantities of some lines: they are compared before and after they are written.
_BILL = f"""WITH {CHARGED}, by_customer AS (
    SELECT customer_id, sum(records)::bigint AS records, {_CONSUMED}
      FROM used GROUP BY customer_id
), billable AS (
    SELECT customer_id, sum(records)::bigint AS records
      FROM used WHERE EXISTS (SELECT FROM priced WHERE priced.place = used.place AND price_id IS NOT NULL)
     GROUP BY customer_id
), owing AS (
    SELECT customer_id, count(*) AS lines, sum(amount) AS amount, sum(quantity) AS quantity,
           bool_or(correction <> '{Correction.NONE}') AS corrects, {_BILLED}
      FROM charged GROUP BY customer_id
), judged AS MATERIALIZED (
    SELECT customer_id, customer.code, customer.name, coalesce(consumed.records, 0) AS records,
           coalesce(owed.amount, 0) AS amount, coalesce(owed.lines, 0) AS lines,
           coalesce(owed.quantity, 0) AS quantity,
           CASE
           WHEN customer.id IS NULL THEN 'There is no such customer.'
           WHEN (owed.corrects OR EXISTS (SELECT FROM reversed WHERE reversed.customer_id = customer.id))
            AND EXISTS (SELECT FROM invoices_parkedhour AS parked
                         WHERE parked.customer_id = customer.id AND parked.hour_id < %(hour)s
                           AND NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                                            WHERE bill.customer_id = parked.customer_id
                                              AND bill.hour_id = parked.hour_id))
           THEN 'It corrects what was charged before, and an earlier hour of this customer is still parked.'
           {_DIFFERS}
           WHEN coalesce(consumed.records, 0) <> coalesce(billable.records, 0)
           THEN format('Records: %%s consumed, %%s billed.', consumed.records, coalesce(billable.records, 0))
           WHEN NOT %(bounds)s THEN NULL
           WHEN owed.lines > %(most_lines)s
           THEN format('%%s charge lines are more than %%s.', owed.lines, %(most_lines)s)
           WHEN abs(owed.amount) > %(most_amount)s
           THEN format('%%s RMB in an hour is more than %%s RMB.', trim_scale(owed.amount), %(most_amount)s)
           WHEN abs(owed.amount) > %(unusual_from)s AND abs(owed.amount) > %(times_usual)s * abs(usual.amount)
           THEN format('%%s RMB is more than %%s times the usual %%s RMB an hour of this customer.',
                       trim_scale(owed.amount), %(times_usual)s, round(usual.amount, 2))
           END AS reason
      FROM by_customer AS consumed
      FULL JOIN owing AS owed USING (customer_id)
      LEFT JOIN billable USING (customer_id)
      LEFT JOIN accounts_customer AS customer ON customer.id = customer_id
      LEFT JOIN LATERAL (
           SELECT avg(bill.amount) AS amount
             FROM invoices_hourlybill AS bill
            WHERE %(bounds)s AND abs(owed.amount) > %(unusual_from)s AND bill.customer_id = customer.id
              AND bill.hour_id >= %(usual_since)s AND bill.hour_id < %(hour)s
           HAVING count(*) >= {BILLS_TO_KNOW_WHAT_IS_USUAL}) AS usual ON true
), parked AS (
    INSERT INTO invoices_parkedhour (customer_id, hour_id, reason, records, amount, parked_at)
    SELECT customer_id, %(hour)s, reason, records, amount, %(now)s FROM judged WHERE reason IS NOT NULL
        ON CONFLICT DO NOTHING
), bills AS (
    INSERT INTO invoices_hourlybill
           (number, customer_id, hour_id, sealed_in_id, customer_code, customer_name, records, amount,
            issued_at)
    SELECT to_char(%(hour)s AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24"Z-"') || code, customer_id,
           %(hour)s, %(sealed_in)s, code, name, records, amount, %(now)s
      FROM judged WHERE reason IS NULL
 RETURNING id, customer_id, records, amount
), lines AS (
    INSERT INTO invoices_chargeline
           (bill_id, billing_item_id, price_id, service_id, usage_hour, service_name, measure, price_kind,
            is_own_price, unit_price, unit_size, records, quantity, amount, correction, corrects_id,
            rerating_id)
    SELECT bills.id, billing_item_id, price_id, service_id, usage_hour, service.name, measure, kind,
           is_own_price, unit_price, unit_size, charged.records, quantity, charged.amount, correction,
           corrects_id, rerating_id
      FROM charged
      JOIN bills USING (customer_id)
      JOIN pricing_service AS service ON service.id = charged.service_id
 RETURNING quantity, amount
), waiting AS (
    SELECT count(*) AS customers, coalesce(sum(records), 0)::bigint AS records,
           coalesce(sum(lines), 0)::bigint AS lines, coalesce(sum(quantity), 0) AS quantity
      FROM judged WHERE reason IS NOT NULL
), billed AS (
    SELECT count(*) AS bills, coalesce(sum(records), 0)::bigint AS records, coalesce(sum(amount), 0) AS amount
      FROM bills
), written AS (
    SELECT count(*) AS lines, coalesce(sum(quantity), 0) AS quantity, coalesce(sum(amount), 0) AS amount
      FROM lines
)
SELECT billed.bills, written.lines, billed.records, billed.amount, waiting.customers AS parked,
       (SELECT coalesce(sum(records), 0)::bigint FROM used) AS records_there,
       billed.records + waiting.records AS records_here,
       (SELECT count(*) FROM charged) AS lines_there, written.lines + waiting.lines AS lines_here,
       (SELECT coalesce(sum(quantity), 0) FROM charged) AS quantity_there,
       written.quantity + waiting.quantity AS quantity_here,
       billed.amount AS amount_there, written.amount AS amount_here
  FROM billed, written, waiting
"""  # noqa: S608
