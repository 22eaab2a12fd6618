-- Each call on which a file and the customer's records differ, with what it comes to at the prices of its time.
WITH here AS (
    SELECT theirs.line, theirs.event_id, ours.event_id IS NULL AS is_missing,
           coalesce(ours.service_id, named.id) AS service_id, coalesce(ours.occurred_at, theirs.occurred_at) AS occurred_at,
           EXISTS (SELECT FROM usage_usagerecord AS reversal
                    WHERE reversal.customer_id = %(customer)s AND reversal.reverses = ours.event_id) AS is_reversed,
           ours.is_charged IS FALSE AS is_free, $differs AS is_different, $theirs, $ours
      FROM $table AS theirs
      LEFT JOIN usage_usagerecord AS ours
        ON ours.customer_id = %(customer)s AND ours.event_id = theirs.event_id AND ours.reverses IS NULL
      LEFT JOIN LATERAL ($service_by_name) AS named ON ours.event_id IS NULL
), differing AS (
    SELECT CASE WHEN is_missing THEN 'missing here' WHEN is_reversed THEN 'reversed here' ELSE 'different' END AS kind,
           *
      FROM here
     WHERE is_missing OR is_reversed OR is_different
     UNION ALL
    SELECT 'missing there', NULL, ours.event_id, false, ours.service_id, ours.occurred_at, false,
           ours.is_charged IS FALSE, true, $nothing, $ours
      FROM usage_usagerecord AS ours
     WHERE ours.customer_id = %(customer)s AND ours.occurred_at >= %(begin)s AND ours.occurred_at < %(end)s
       AND ours.billing_hour >= date_trunc('hour', %(begin)s::timestamptz, 'UTC')
       AND ours.reverses IS NULL
       AND NOT EXISTS (SELECT FROM $table AS theirs WHERE theirs.event_id = ours.event_id)
       AND NOT EXISTS (SELECT FROM usage_usagerecord AS reversal
                        WHERE reversal.customer_id = %(customer)s AND reversal.reverses = ours.event_id)
), used AS (
    SELECT row_number() OVER (ORDER BY kind, occurred_at, event_id) AS place, %(customer)s AS customer_id, differing.*,
           $deltas
      FROM differing
), looked_up AS (
    SELECT used.place, measured.measure, measured.quantity, measured.whole, measured.is_part,
           price.id AS price_id, price.unit_price, price.unit_size
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      JOIN pricing_billingitem AS item ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL ($price_in_force) AS price ON true
), priced AS (
    SELECT place, $net_quantity AS quantity, price_id, unit_price, unit_size
      FROM looked_up
     WHERE NOT is_part OR price_id IS NOT NULL
), amounts AS (
    SELECT place, CASE WHEN count(price_id) = count(*) THEN sum(quantity * unit_price / unit_size) END AS amount
      FROM priced
     GROUP BY place
)
SELECT used.kind, used.event_id, used.line, service.name, used.occurred_at, amounts.amount, $shown
  FROM used
  LEFT JOIN amounts USING (place)
  LEFT JOIN pricing_service AS service ON service.id = used.service_id
 ORDER BY place
