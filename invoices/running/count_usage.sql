-- How many records each customer has in each open hour, of customers with many in one of them, or whose part of one may
-- come to more than a bound of parking; how many of these are reversals comes from their own index. A quantity at the
-- dearest price that there is of it is an upper bound of what it costs.
WITH used AS MATERIALIZED (
    SELECT billing_hour, customer_id, service_id, count(*) AS records, $charged
      FROM usage_usagerecord
     WHERE billing_hour > %(after)s AND billing_hour <= %(this_hour)s
     GROUP BY billing_hour, customer_id, service_id
), counted AS MATERIALIZED (
    SELECT billing_hour, customer_id, sum(records)::bigint AS records
      FROM used GROUP BY billing_hour, customer_id
), reversed AS MATERIALIZED (
    SELECT billing_hour, customer_id, count(*) AS records_reversed
      FROM usage_usagerecord
     WHERE billing_hour > %(after)s AND billing_hour <= %(this_hour)s AND reverses IS NOT NULL
     GROUP BY billing_hour, customer_id
), dearest AS (
    SELECT item.service_id, item.measure, max(price.unit_price * (1::numeric / price.unit_size)) AS price
      FROM pricing_price AS price
      JOIN pricing_billingitem AS item ON item.id = price.billing_item_id
     GROUP BY item.service_id, item.measure
), possible AS MATERIALIZED (
    SELECT used.billing_hour, used.customer_id, sum(measured.quantity * dearest.price) AS amount
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      JOIN dearest ON dearest.service_id = used.service_id AND dearest.measure = measured.measure
     GROUP BY used.billing_hour, used.customer_id
    HAVING sum(measured.quantity * dearest.price) > least(%(most_amount)s, %(unusual_from)s)
), chosen AS (
    SELECT customer_id FROM counted WHERE records > %(most)s
     UNION
    SELECT customer_id FROM possible LEFT JOIN LATERAL ($usual) AS usual ON true
     WHERE $is_beyond
)
SELECT billing_hour, customer_id, records, coalesce(reversed.records_reversed, 0) AS reversals
  FROM counted
  LEFT JOIN reversed USING (billing_hour, customer_id)
 WHERE customer_id IN (SELECT customer_id FROM chosen)
