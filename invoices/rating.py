"""Usage x prices, in SQL: what each customer owes for the records of an hour.

The records are grouped first, by customer, service, hour of usage and *slice*; prices are joined to the few
groups that are left. A slice is a stretch of time in which no price begins or ends, so one instant of it
stands for all. Of the prices in force at that instant the customer's own comes before everybody's, then a
free trial before a limited-time offer before a list price (design, section 4).

The amount multiplies by the reciprocal of the unit size, a power of ten, because PostgreSQL rounds
quotients but not products.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from pricing.measures import Measure
from pricing.models import PriceKind
from usage.models import HOUR

_RANK = " ".join(f"WHEN '{kind}' THEN {place}" for place, kind in enumerate(PriceKind.values))
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', consumed.{measure})" for measure in Measure)

# Common table expressions: `consumed`, the hour's records in groups; `priced`, each group's billing items
# with the price in force, if any; `rated`, what becomes charge lines. Only names of our own enums are put
# into the text.
RATED = f"""
WITH changes AS (
    SELECT coalesce(array_agg(DISTINCT instant ORDER BY instant), '{{}}') AS instants
      FROM (SELECT begins_at FROM pricing_price UNION SELECT ends_at FROM pricing_price) AS change (instant)
     WHERE instant < %(hour_end)s
), consumed AS MATERIALIZED (
    SELECT customer_id, service_id, date_trunc('hour', occurred_at, 'UTC') AS usage_hour,
           min(occurred_at) AS instant, count(*) AS records, {_SUMS}
      FROM usage_usagerecord
     WHERE billing_hour = %(hour)s AND (%(customer)s::bigint IS NULL OR customer_id = %(customer)s::bigint)
     GROUP BY customer_id, service_id, usage_hour,
              width_bucket(occurred_at, (SELECT instants FROM changes))
), priced AS (
    SELECT consumed.customer_id, consumed.service_id, consumed.usage_hour, consumed.records,
           measured.measure, measured.quantity, item.id AS billing_item_id,
           price.id AS price_id, price.kind, price.unit_price, price.unit_size,
           price.customer_id IS NOT NULL AS is_own_price
      FROM consumed
     CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
      LEFT JOIN pricing_billingitem AS item
        ON item.service_id = consumed.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL (
           SELECT * FROM pricing_price AS candidate
            WHERE candidate.billing_item_id = item.id
              AND (candidate.customer_id IS NULL OR candidate.customer_id = consumed.customer_id)
              AND candidate.begins_at <= consumed.instant
              AND (candidate.ends_at IS NULL OR candidate.ends_at > consumed.instant)
            ORDER BY candidate.customer_id NULLS LAST, CASE candidate.kind {_RANK} END
            LIMIT 1) AS price ON true
     WHERE item.id IS NOT NULL OR measured.quantity <> 0
), rated AS (
    SELECT customer_id, service_id, usage_hour, billing_item_id, price_id, measure, kind, is_own_price,
           unit_price, unit_size, sum(records)::bigint AS records, sum(quantity) AS quantity,
           sum(quantity) * unit_price * (1::numeric / unit_size) AS amount
      FROM priced
     WHERE price_id IS NOT NULL
     GROUP BY customer_id, service_id, usage_hour, billing_item_id, price_id, measure, kind, is_own_price,
              unit_price, unit_size
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


def rating_parameters(*, hour: dt.datetime, customer_id: int | None = None) -> dict[str, Any]:
    """Return what RATED needs to rate one hour, of everybody or of one customer."""
    return {"hour": hour, "hour_end": hour + HOUR, "customer": customer_id}


def charges_so_far(*, customer_id: int, hour: dt.datetime) -> list[Charge]:
    """Return what one customer's records of an open hour cost, by the rules by which it will be closed."""
    with connection.cursor() as cursor:
        cursor.execute(_CHARGES, rating_parameters(hour=hour, customer_id=customer_id))
        return [Charge(*row) for row in cursor.fetchall()]


_CHARGES = f"""{RATED}
SELECT rated.usage_hour, service.name, measure, kind, unit_price, unit_size, records, quantity, amount
  FROM rated
  JOIN pricing_service AS service ON service.id = rated.service_id
  JOIN pricing_servicegroup AS section ON section.id = service.group_id
 ORDER BY usage_hour, section.position, service.position, billing_item_id, price_id
"""  # noqa: S608
