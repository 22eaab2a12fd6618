-- Each call on which a file and the customer's records differ, with what it comes to at the prices of its time.
WITH compared AS (
    SELECT theirs.line, theirs.event_id, theirs.service, theirs.occurred_at AS their_time, ours.event_id IS NULL AS is_missing,
           ours.service_id, ours.occurred_at,
           EXISTS (SELECT 1 FROM usage_usagerecord AS reversal
                    WHERE reversal.customer_id = %(customer)s AND reversal.reverses = ours.event_id) AS is_reversed,
           ours.is_charged IS FALSE AS is_free, $differs AS is_different, $theirs, $ours
      FROM $table AS theirs
      LEFT JOIN usage_usagerecord AS ours
        ON ours.customer_id = %(customer)s AND ours.event_id = theirs.event_id AND ours.reverses IS NULL
), here AS MATERIALIZED (
    SELECT * FROM compared WHERE is_missing OR is_reversed OR is_different
), missing_there AS MATERIALIZED (
    SELECT ours.event_id, ours.service_id, ours.occurred_at, ours.is_charged IS FALSE AS is_free, $nothing, $ours
      FROM usage_usagerecord AS ours
      LEFT JOIN $table AS theirs ON theirs.event_id = ours.event_id
     WHERE ours.customer_id = %(customer)s AND ours.occurred_at >= %(begin)s AND ours.occurred_at < %(end)s
       AND ours.billing_hour >= date_trunc('hour', %(begin)s::timestamptz, 'UTC')
       AND ours.reverses IS NULL AND theirs.event_id IS NULL
       AND NOT EXISTS (SELECT 1 FROM usage_usagerecord AS reversal
                        WHERE reversal.customer_id = %(customer)s AND reversal.reverses = ours.event_id)
), differing AS (
    SELECT CASE WHEN is_missing THEN 'missing here' WHEN is_reversed THEN 'reversed here' ELSE 'different' END AS kind,
           here.line, here.event_id, coalesce(here.service_id, named.id) AS service_id,
           coalesce(here.occurred_at, here.their_time) AS occurred_at, is_reversed, is_free, $quantities
      FROM here
      LEFT JOIN LATERAL ($service_by_name) AS named ON is_missing
     UNION ALL
    SELECT 'missing there', NULL, event_id, service_id, occurred_at, false, is_free, $quantities
      FROM missing_there
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
