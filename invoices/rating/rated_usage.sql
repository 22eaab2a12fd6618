-- Common table expressions that continue from `consumed`: `reversed`, the hour's reversals, by the hour
-- in which what they reverse was billed; `looked_up`, each group's billing items with the price in force, if
-- any; `priced`, the same, a part without a price of its own left in its whole; `rated`, quantities at prices.
reversed AS MATERIALIZED (
    SELECT record.customer_id, record.service_id, date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour,
           original.billing_hour AS billed_in, min(record.occurred_at) AS instant, count(*) AS records,
           $sums_of_record
      FROM usage_usagerecord AS record
      JOIN usage_usagerecord AS original
        ON original.customer_id = record.customer_id AND original.event_id = record.reverses
     WHERE record.billing_hour = %(hour)s AND record.reverses IS NOT NULL
       AND record.is_charged IS NOT FALSE
       AND (%(customers)s::bigint[] IS NULL OR record.customer_id = ANY (%(customers)s::bigint[]))
     GROUP BY record.customer_id, record.service_id, usage_hour, original.billing_hour,
              width_bucket(record.occurred_at, %(instants)s::timestamptz[])
), used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, *
      FROM (SELECT * FROM consumed UNION ALL SELECT * FROM reversed) AS both_kinds
), looked_up AS MATERIALIZED (
    SELECT used.place, used.customer_id, used.service_id, used.usage_hour, used.billed_in, used.records,
           measured.measure, measured.quantity, measured.whole, measured.is_part, item.id AS billing_item_id,
           price.id AS price_id, price.kind, price.unit_price, price.unit_size,
           price.customer_id IS NOT NULL AS is_own_price
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      LEFT JOIN pricing_billingitem AS item
        ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL ($price_in_force) AS price ON true
     WHERE item.id IS NOT NULL OR measured.quantity <> 0
), priced AS MATERIALIZED (
    SELECT place, customer_id, service_id, usage_hour, billed_in, records, measure, $net_quantity AS quantity,
           billing_item_id, price_id, kind, unit_price, unit_size, is_own_price
      FROM looked_up
     WHERE NOT is_part OR price_id IS NOT NULL
), rated AS (
    SELECT customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
           is_own_price, unit_price, unit_size, sum(records)::bigint AS records, sum(quantity) AS quantity
      FROM priced
     WHERE price_id IS NOT NULL
     GROUP BY customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
              is_own_price, unit_price, unit_size
)
