"""Usage x prices, in SQL: at which prices the records of an hour are charged.

The records are grouped first, by customer, service, hour of usage and *slice*; prices are joined to the few
groups that are left. A slice is a stretch of time in which no price begins or ends, so one instant of it
stands for all. Of the prices in force at that instant the customer's own comes before everybody's, then a
free trial before a limited-time offer before a list price (design, section 4).
"""

from pricing.measures import Measure
from pricing.models import PriceKind

_RANK = " ".join(f"WHEN '{kind}' THEN {place}" for place, kind in enumerate(PriceKind.values))
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_SUMS_OF_RECORD = ", ".join(f"sum(record.{measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', used.{measure})" for measure in Measure)
_SLICE = "width_bucket({}, (SELECT instants FROM changes))"
_OF_CUSTOMERS = "(%(customers)s::bigint[] IS NULL OR {} = ANY (%(customers)s::bigint[]))"

# Common table expressions: `consumed`, the hour's records in groups; `reversed`, its reversals, apart for
# each hour in which what they reverse was billed; `priced`, each group's billing items with the price in
# force, if any; `rated`, quantities at prices. Only names of our own enums are put into the text.
RATED = f"""
WITH changes AS (
    SELECT coalesce(array_agg(DISTINCT instant ORDER BY instant), '{{}}') AS instants
      FROM (SELECT begins_at FROM pricing_price UNION SELECT ends_at FROM pricing_price) AS change (instant)
     WHERE instant < %(hour_end)s
), consumed AS MATERIALIZED (
    SELECT customer_id, service_id, date_trunc('hour', occurred_at, 'UTC') AS usage_hour,
           NULL::timestamptz AS billed_in, min(occurred_at) AS instant, count(*) AS records, {_SUMS}
      FROM usage_usagerecord
     WHERE billing_hour = %(hour)s AND reverses IS NULL AND {_OF_CUSTOMERS.format("customer_id")}
     GROUP BY customer_id, service_id, usage_hour, {_SLICE.format("occurred_at")}
), reversed AS MATERIALIZED (
    SELECT record.customer_id, record.service_id, date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour,
           original.billing_hour AS billed_in, min(record.occurred_at) AS instant, count(*) AS records,
           {_SUMS_OF_RECORD}
      FROM usage_usagerecord AS record
      JOIN usage_usagerecord AS original
        ON original.customer_id = record.customer_id AND original.event_id = record.reverses
     WHERE record.billing_hour = %(hour)s AND record.reverses IS NOT NULL
       AND {_OF_CUSTOMERS.format("record.customer_id")}
     GROUP BY record.customer_id, record.service_id, usage_hour, original.billing_hour,
              {_SLICE.format("record.occurred_at")}
), used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, *
      FROM (SELECT * FROM consumed UNION ALL SELECT * FROM reversed) AS both_kinds
), priced AS MATERIALIZED (
    SELECT used.place, used.customer_id, used.service_id, used.usage_hour, used.billed_in, used.records,
           measured.measure, measured.quantity, item.id AS billing_item_id,
           price.id AS price_id, price.kind, price.unit_price, price.unit_size,
           price.customer_id IS NOT NULL AS is_own_price
      FROM used
     CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
      LEFT JOIN pricing_billingitem AS item
        ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL (
           SELECT * FROM pricing_price AS candidate
            WHERE candidate.billing_item_id = item.id
              AND (candidate.customer_id IS NULL OR candidate.customer_id = used.customer_id)
              AND candidate.begins_at <= used.instant
              AND (candidate.ends_at IS NULL OR candidate.ends_at > used.instant)
            ORDER BY candidate.customer_id NULLS LAST, CASE candidate.kind {_RANK} END
            LIMIT 1) AS price ON true
     WHERE item.id IS NOT NULL OR measured.quantity <> 0
), rated AS (
    SELECT customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
           is_own_price, unit_price, unit_size, sum(records)::bigint AS records, sum(quantity) AS quantity
      FROM priced
     WHERE price_id IS NOT NULL
     GROUP BY customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
              is_own_price, unit_price, unit_size
)
"""  # noqa: S608
