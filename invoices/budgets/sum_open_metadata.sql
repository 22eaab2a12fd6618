-- What calls with a value in their metadata cost, of hours that are not summed up by metadata yet: as for closed hours
-- (invoices/usage_report/sum_metadata.sql), at the prices in force and as if no package covered anything.
WITH watched AS MATERIALIZED (
    SELECT DISTINCT * FROM unnest(%(customers)s::bigint[], %(names)s::text[], %(values)s::text[])
                        AS watched (customer_id, name, value)
), names AS MATERIALIZED (
    SELECT DISTINCT customer_id, name FROM watched
), tagged AS (
    SELECT record.customer_id, record.service_id, record.billing_hour,
           date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour,
           width_bucket(record.occurred_at, %(instants)s::timestamptz[]) AS price_interval, names.name,
           CASE WHEN record.reverses IS NULL THEN record.metadata ELSE original.metadata END ->> names.name AS value,
           min(record.occurred_at) AS instant, $sums_of_record
      FROM names
      JOIN unnest(%(scanned_customers)s::bigint[], %(scanned_hours)s::timestamptz[]) AS scanned (customer_id, hour)
        ON scanned.customer_id = names.customer_id
      JOIN usage_usagerecord AS record
        ON record.customer_id = scanned.customer_id AND record.billing_hour = scanned.hour
      LEFT JOIN usage_usagerecord AS original
        ON record.reverses IS NOT NULL AND original.customer_id = record.customer_id
       AND original.event_id = record.reverses
     WHERE record.is_charged IS NOT FALSE AND (record.metadata IS NOT NULL OR record.reverses IS NOT NULL)
     GROUP BY record.customer_id, record.service_id, record.billing_hour, usage_hour, price_interval, names.name, value
), used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, tagged.* FROM tagged JOIN watched USING (customer_id, name, value)
), looked_up AS (
    SELECT used.place, used.customer_id, used.service_id, used.billing_hour, used.name, used.value, measured.measure,
           measured.quantity, measured.whole, measured.is_part, price.id AS price_id, price.unit_price, price.unit_size
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      JOIN pricing_billingitem AS item ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL ($price_in_force) AS price ON true
     WHERE measured.quantity <> 0
), priced AS (
    SELECT *, $net_quantity AS net FROM looked_up WHERE NOT is_part OR price_id IS NOT NULL
)
SELECT customer_id, name, value, service_id, billing_hour, measure, sum(net * unit_price * (1::numeric / unit_size))
  FROM priced
 WHERE price_id IS NOT NULL
 GROUP BY customer_id, name, value, service_id, billing_hour, measure
