-- Sums up the calls of the bills of an hour by the values of their metadata, for each charge line: what a value's calls
-- have of it. The calls are grouped and priced as the closing groups and prices them. Lines of one item and price that
-- only their packages tell apart are left out. Of many values of a name the largest and those with a budget are kept, the
-- others are one.
WITH bills AS MATERIALIZED (
    SELECT id, customer_id, hour_id FROM invoices_hourlybill
     WHERE sealed_in_id = %(sealed_in)s AND hour_id = %(hour)s
), used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, *
      FROM (SELECT record.customer_id, record.service_id, original.billing_hour AS billed_in,
                   date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour, tag.name, tag.value,
                   min(record.occurred_at) AS instant, count(*) AS calls, $sums_of_record
              FROM usage_usagerecord AS record
              LEFT JOIN usage_usagerecord AS original
                ON record.reverses IS NOT NULL AND original.customer_id = record.customer_id
               AND original.event_id = record.reverses
             CROSS JOIN LATERAL (
                   SELECT name, CASE WHEN record.reverses IS NULL THEN record.metadata
                                     ELSE original.metadata END ->> name AS value
                     FROM unnest(%(names)s::text[]) AS name) AS tag
             WHERE record.billing_hour = %(hour)s AND record.is_charged IS NOT FALSE AND tag.value <> ''
               AND (record.metadata IS NOT NULL OR record.reverses IS NOT NULL)
             GROUP BY record.customer_id, record.service_id, original.billing_hour, usage_hour, tag.name, tag.value,
                      width_bucket(record.occurred_at, %(instants)s::timestamptz[])) AS its
), looked_up AS MATERIALIZED (
    SELECT used.place, used.customer_id, used.billed_in, used.usage_hour, used.name, used.value, used.calls,
           measured.quantity, measured.whole, measured.is_part, item.id AS billing_item_id, price.id AS price_id
      FROM used
      JOIN bills ON bills.customer_id = used.customer_id
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      JOIN pricing_billingitem AS item ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL ($price_in_force) AS price ON true
), priced AS (
    SELECT *, $net_quantity AS net FROM looked_up WHERE NOT is_part OR price_id IS NOT NULL
), lines AS MATERIALIZED (
    SELECT line.id, line.bill_id, bills.customer_id, bills.hour_id, line.service_id, line.billing_item_id, line.price_id,
           line.usage_hour, line.unit_price, line.unit_size, corrected_bill.hour_id AS billed_in,
           count(*) OVER (PARTITION BY line.bill_id, line.billing_item_id, line.price_id, line.usage_hour,
                                       line.correction, corrected_bill.hour_id) AS alike
      FROM bills
      JOIN invoices_chargeline AS line ON line.bill_id = bills.id
      LEFT JOIN invoices_chargeline AS corrected ON corrected.id = line.corrects_id
      LEFT JOIN invoices_hourlybill AS corrected_bill ON corrected_bill.id = corrected.bill_id
     WHERE line.rerating_id IS NULL
), shares AS (
    SELECT lines.id AS line_id, priced.name, priced.value,
           sum(CASE WHEN lines.billed_in IS NULL THEN priced.calls ELSE 0 END) AS calls, sum(priced.net) AS quantity,
           row_number() OVER (PARTITION BY lines.id, priced.name ORDER BY abs(sum(priced.net)) DESC, priced.value) AS nth
      FROM lines
      JOIN priced
        ON priced.customer_id = lines.customer_id AND priced.billing_item_id = lines.billing_item_id
       AND priced.price_id = lines.price_id AND priced.usage_hour = lines.usage_hour
       AND priced.billed_in IS NOT DISTINCT FROM lines.billed_in
     WHERE lines.alike = 1
     GROUP BY lines.id, priced.name, priced.value
), named AS MATERIALIZED (
    SELECT lines.id AS line_id, lines.customer_id, lines.hour_id, lines.service_id, lines.billing_item_id, lines.unit_price,
           lines.unit_size, shares.name, shares.calls, shares.quantity,
           CASE WHEN nth <= %(most)s OR (lines.customer_id, shares.name, shares.value) IN (
                         SELECT customer_id, metadata_name, metadata_value FROM usage_budget WHERE removed_at IS NULL)
                THEN left(value, 255) ELSE '' END AS value
      FROM shares JOIN lines ON lines.id = shares.line_id
)
INSERT INTO invoices_metadatausage
       (line_id, customer_id, hour, service_id, billing_item_id, name, value, calls, quantity, amount)
SELECT line_id, customer_id, hour_id, service_id, billing_item_id, name, value, sum(calls), sum(quantity),
       sum(quantity) * unit_price * (1::numeric / unit_size)
  FROM named
 GROUP BY line_id, customer_id, hour_id, service_id, billing_item_id, name, value, unit_price, unit_size
