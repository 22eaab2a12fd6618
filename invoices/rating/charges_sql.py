"""The lines of an hour's bills in SQL: rated usage, and corrections of lines billed before.

A *reversal* credits records to the line that billed them, at the price now effective for that line. A
*re-rating* credits the rest of a line and rebills it at another price, which is then the effective one. Where
both fall on one bill, the reversal comes first.

"Before" is the order in which bills are made: by the hour with whose closing they are sealed, then by their
own hour. A later run for the same hour therefore gives the same lines.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from invoices.models import Correction
from invoices.rating.usage_sql import RATED, consumed, rating_parameters
from pricing.rules.kinds import Kind

_IS_BEFORE = "({0}.sealed_in_id, {0}.hour_id) < (%(sealed_in)s, %(hour)s)"

# The effective price of `line`: that of the last re-rating before, else its own.
_PRICE_THAT_COUNTS = f"""
      LEFT JOIN LATERAL (
           SELECT rebilled.unit_price
             FROM invoices_chargeline AS rebilled
             JOIN invoices_hourlybill AS earlier ON earlier.id = rebilled.bill_id
            WHERE rebilled.corrects_id = line.id AND rebilled.correction = '{Correction.REBILLED}'
              AND {_IS_BEFORE.format("earlier")}
            ORDER BY earlier.sealed_in_id DESC, earlier.hour_id DESC
            LIMIT 1) AS latest ON true
     CROSS JOIN LATERAL (SELECT coalesce(latest.unit_price, line.unit_price) AS unit_price) AS counts
"""  # noqa: S608

# What a re-rating finds: each line of its price in its span, and what is left of it. Needs the relations
# `ordered` (id, price_id, from_hour, until_hour, unit_price) and `reversals` (line_id, quantity).
REWORKED = f"""
    SELECT bill.customer_id, line.id AS line_id, line.service_id, line.usage_hour, line.billing_item_id,
           line.price_id, line.measure, line.price_kind AS kind, line.is_own_price, line.unit_size,
           counts.unit_price AS old_price, ordered.unit_price AS new_price, ordered.id AS rerating_id,
           line.quantity + taken.before + coalesce(now_taken.quantity, 0) AS quantity
      FROM ordered
      JOIN invoices_chargeline AS line ON line.price_id = ordered.price_id AND line.correction = ''
       AND line.usage_hour >= ordered.from_hour AND line.usage_hour < ordered.until_hour
      JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id AND bill.hour_id >= ordered.from_hour
       AND {_IS_BEFORE.format("bill")}
      {_PRICE_THAT_COUNTS}
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(reversal.quantity), 0) AS before
             FROM invoices_chargeline AS reversal
             JOIN invoices_hourlybill AS earlier ON earlier.id = reversal.bill_id
            WHERE reversal.corrects_id = line.id AND reversal.correction = '{Correction.REVERSAL}'
              AND {_IS_BEFORE.format("earlier")}) AS taken
      LEFT JOIN reversals AS now_taken ON now_taken.line_id = line.id
"""  # noqa: S608

# Common table expressions that continue from `consumed` up to `charged`, the future charge lines. The amount
# multiplies by the reciprocal of the unit size, a power of ten, because PostgreSQL rounds quotients but not
# products.
CHARGED = f"""{RATED}, reversals AS MATERIALIZED (
    SELECT rated.*, line.id AS line_id, counts.unit_price AS counting_price
      FROM rated
      JOIN invoices_hourlybill AS bill
        ON bill.customer_id = rated.customer_id AND bill.hour_id = rated.billed_in
       AND {_IS_BEFORE.format("bill")}
      JOIN invoices_chargeline AS line
        ON line.bill_id = bill.id AND line.billing_item_id = rated.billing_item_id
       AND line.price_id = rated.price_id AND line.usage_hour = rated.usage_hour AND line.correction = ''
      {_PRICE_THAT_COUNTS}
), ordered AS (
    SELECT id, price_id, from_hour, until_hour, unit_price
      FROM invoices_rerating WHERE billing_hour = %(hour)s
), reworked AS MATERIALIZED ({REWORKED}
     WHERE %(customers)s::bigint[] IS NULL OR bill.customer_id = ANY (%(customers)s::bigint[])
), parts AS (
    SELECT customer_id, service_id, usage_hour, billing_item_id, price_id, measure, kind, is_own_price,
           unit_price, unit_size, records, quantity,
           '{Correction.NONE}' AS correction, NULL::bigint AS corrects_id, NULL::bigint AS rerating_id
      FROM rated WHERE billed_in IS NULL
     UNION ALL
    SELECT customer_id, service_id, usage_hour, billing_item_id, price_id, measure, kind, is_own_price,
           counting_price, unit_size, records, quantity, '{Correction.REVERSAL}', line_id, NULL
      FROM reversals
     UNION ALL
    SELECT customer_id, service_id, usage_hour, billing_item_id, price_id, measure, kind, is_own_price,
           part.unit_price, unit_size, 0, part.sign * quantity, part.correction, line_id, rerating_id
      FROM reworked
     CROSS JOIN LATERAL (
           VALUES (-1, old_price, '{Correction.CREDITED}'), (1, new_price, '{Correction.REBILLED}')
           ) AS part (sign, unit_price, correction)
     WHERE quantity <> 0 AND old_price <> new_price
), charged AS (
    SELECT *, quantity * unit_price * (1::numeric / unit_size) AS amount FROM parts
)
"""  # noqa: S608


class Charge(NamedTuple):
    """What an hour that is still open would cost for one service and billing item, as it stands."""

    hour: dt.datetime
    service: str
    measure: str
    kind: str
    unit_price: Decimal
    unit_size: int
    records: int
    quantity: Decimal
    amount: Decimal
    correction: str

    @property
    def is_free_trial(self) -> bool:
        """Whether it costs nothing because of a free trial; a re-rating may charge for one all the same."""
        return self.kind == Kind.FREE_TRIAL and not self.unit_price


def charging_parameters(
    *, hour: dt.datetime, sealed_in: dt.datetime | None = None, customers: list[int] | None = None
) -> dict[str, Any]:
    """Return what CHARGED needs for one hour, of everybody or of some, sealed in this hour or a later one."""
    return {**rating_parameters(hour=hour, customers=customers), "sealed_in": sealed_in or hour}


def charges_so_far(*, customer_id: int, hour: dt.datetime) -> list[Charge]:
    """Return what one customer's records of an open hour cost, by the rules by which it will be closed."""
    values = charging_parameters(hour=hour, customers=[customer_id])
    groups = consumed(changes=len(values["changes"]))
    with connection.cursor() as cursor:
        cursor.execute(f"WITH consumed AS MATERIALIZED ({groups}), {_CHARGES}", values)
        return [Charge(*row) for row in cursor.fetchall()]


_CHARGES = f"""{CHARGED}
SELECT charged.usage_hour, service.name, measure, kind, unit_price, unit_size, records, quantity, amount,
       correction
  FROM charged
  JOIN pricing_service AS service ON service.id = charged.service_id
  JOIN pricing_servicegroup AS section ON section.id = service.group_id
 ORDER BY usage_hour, section.position, service.position, billing_item_id, price_id, corrects_id NULLS FIRST,
          rerating_id NULLS FIRST, correction DESC
"""  # noqa: S608
