"""Rating a closed hour again, by the closing's own statement: it must give the lines that are there."""

import datetime as dt

from django.db import connection, transaction

from invoices.books.compare import FIRST, Findings
from invoices.rating.charges_sql import CHARGED, charging_parameters
from invoices.rating.usage_sql import consumed


@transaction.atomic
def repeat_rating(*, hour: dt.datetime, found: Findings) -> None:
    """Add a finding for each line that differs if all bills sealed with this hour are made again."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASED, [hour, hour])
        parts = [(hour, None), *cursor.fetchall()]
        for billed, customers in parts:
            parameters = charging_parameters(hour=billed, sealed_in=hour, customers=customers)
            groups = consumed(changes=len(parameters["changes"]))
            statement = f"WITH consumed AS MATERIALIZED ({groups}), {_DIFFERENCES}"
            cursor.execute(statement, {**parameters, "first": FIRST})
            rows = cursor.fetchall()
            for difference, code, number, line in (row[:4] for row in rows):
                found.add("rated again", f"{difference}: {line}", hour=billed, customer=code, bill=number)
            if rows:
                found.count += rows[0][4] - len(rows)


_RELEASED = """
SELECT hour_id, array_agg(customer_id) FROM invoices_hourlybill
 WHERE sealed_in_id = %s AND hour_id < %s GROUP BY hour_id ORDER BY hour_id
"""
_COLUMNS = """service_id, usage_hour, billing_item_id, price_id, is_own_price, unit_price, unit_size,
           quantity, correction, corrects_id, rerating_id"""
# Of customers whose hour was parked no line is expected, except for their release.
_DIFFERENCES = f"""{CHARGED}, there AS (
    SELECT bill.customer_id, line.records, line.amount, line.measure, line.price_kind AS kind, {_COLUMNS}
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
     WHERE bill.hour_id = %(hour)s AND bill.sealed_in_id = %(sealed_in)s
), again AS (
    SELECT customer_id, records, amount, measure, kind, {_COLUMNS}
      FROM charged
     WHERE %(customers)s::bigint[] IS NOT NULL
        OR NOT EXISTS (SELECT FROM invoices_parkedhour AS parked
                        WHERE parked.customer_id = charged.customer_id AND parked.hour_id = %(hour)s)
), different AS (
    SELECT 'stored, but not made again' AS difference, * FROM (TABLE there EXCEPT ALL TABLE again) AS stored
     UNION ALL
    SELECT 'made again, but not stored', * FROM (TABLE again EXCEPT ALL TABLE there) AS made
)
SELECT difference, coalesce(customer.code, different.customer_id::text), coalesce(bill.number, ''),
       format('%%s %%s of %%s records at price %%s, %%s RMB%%s', quantity, measure, different.records,
              price_id, trim_scale(different.amount),
              CASE WHEN correction <> '' THEN ', ' || correction ELSE '' END),
       count(*) OVER ()
  FROM different
  LEFT JOIN accounts_customer AS customer ON customer.id = different.customer_id
  LEFT JOIN invoices_hourlybill AS bill
    ON bill.customer_id = different.customer_id AND bill.hour_id = %(hour)s
 ORDER BY different.customer_id, usage_hour, billing_item_id, price_id, difference
 LIMIT %(first)s
"""  # noqa: S608
