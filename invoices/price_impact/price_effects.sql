-- A part without a price of its own costs what its whole costs. A *series* is the prices of a service over the period: one for everybody (scope = 0), and one for each
-- customer with prices of its own. Its instants divide the period into segments in which no price changes; a
-- price is looked up once per segment of a series, not once per record or group of records. A record is billed
-- in its own hour or later, so earlier billing hours need not be read; there is no upper bound. The unit price
-- is multiplied by the reciprocal of the unit size, a power of ten: PostgreSQL rounds quotients but not
-- products. What packages cover costs nothing at any price: it is taken from the usage as the bills state it, at
-- the prices at which it would have been charged.
WITH item AS MATERIALIZED (
    SELECT * FROM unnest(%(items)s::bigint[], %(services)s::bigint[], %(measures)s::text[], %(wholes)s::bigint[])
           AS item (id, service_id, measure, whole_id)
), planned AS MATERIALIZED (
    SELECT * FROM unnest(%(numbers)s::integer[], %(rated)s::bigint[], %(scopes)s::bigint[],
                         %(without)s::numeric[], %(changed)s::numeric[])
           AS planned (number, item_id, scope, without, changed)
), change AS MATERIALIZED (
    SELECT item.service_id, coalesce(price.customer_id, 0) AS scope, instant
      FROM item
      JOIN pricing_price AS price ON price.billing_item_id = item.id
     CROSS JOIN LATERAL (VALUES (price.begins_at), (price.ends_at)) AS change (instant)
), series AS MATERIALIZED (
    SELECT service_id, scope,
           ARRAY(SELECT DISTINCT instant FROM change
                  WHERE change.service_id = own.service_id AND change.scope IN (0, own.scope)
                    AND instant > %(since)s AND instant < %(until)s
                  ORDER BY instant) AS instants
      FROM (SELECT item.service_id, planned.scope FROM planned JOIN item ON item.id = planned.item_id
             UNION SELECT service_id, 0 FROM item) AS own
), used AS MATERIALIZED (
    SELECT record.customer_id, record.service_id, coalesce(own.scope, 0) AS scope,
           width_bucket(record.occurred_at, coalesce(own.instants, general.instants)) AS segment, $sums,
           row_number() OVER () AS place
      FROM usage_usagerecord AS record
      JOIN series AS general ON general.service_id = record.service_id AND general.scope = 0
      LEFT JOIN series AS own ON own.service_id = record.service_id AND own.scope = record.customer_id
     WHERE billing_hour >= %(from_hour)s AND occurred_at >= %(since)s AND occurred_at < %(until)s
       AND is_charged IS NOT FALSE
     GROUP BY 1, 2, 3, 4
), rates AS MATERIALIZED (
    SELECT series.service_id, series.scope, segment::integer, item.id AS item_id, item.measure,
           coalesce(counted.unit_price * (1::numeric / counted.unit_size),
                    as_whole.unit_price * (1::numeric / as_whole.unit_size), 0) AS rate
      FROM series
      JOIN item ON item.service_id = series.service_id
     CROSS JOIN LATERAL unnest(%(since)s::timestamptz || series.instants)
           WITH ORDINALITY AS begun (instant, place)
     CROSS JOIN LATERAL (SELECT place - 1 AS segment) AS numbered
      LEFT JOIN LATERAL ($price_in_force) AS counted ON true
      LEFT JOIN LATERAL ($price_of_whole) AS as_whole ON true
), charged AS MATERIALIZED (
    SELECT used.customer_id, used.scope, rates.item_id, rates.measure, rates.rate, $net_quantity AS quantity
      FROM used
      JOIN rates USING (service_id, scope, segment)
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
     WHERE measured.measure = rates.measure AND measured.quantity <> 0
), covered AS MATERIALIZED (
    SELECT bill.customer_id, coalesce(own.scope, 0) AS scope, item.id AS item_id, item.measure, line.quantity,
           price.unit_price * (1::numeric / price.unit_size) AS rate
      FROM pricing_quotapackage AS package
      JOIN invoices_chargeline AS line ON line.package_id = package.id
      JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id
      JOIN item ON item.id = line.billing_item_id
      JOIN pricing_price AS price ON price.id = line.price_id
      LEFT JOIN series AS own ON own.service_id = item.service_id AND own.scope = bill.customer_id
     WHERE package.begins_at < %(until)s AND package.expires_at > %(since)s
       AND line.usage_hour >= %(since)s AND line.usage_hour < %(until)s
), priced AS MATERIALIZED (
    SELECT customer_id, scope, item_id, measure, sum(quantity) AS quantity, sum(quantity * rate) AS cost
      FROM (SELECT customer_id, scope, item_id, measure, quantity, rate FROM charged
             UNION ALL
            SELECT customer_id, scope, item_id, measure, -quantity, rate FROM covered) AS used
     WHERE quantity <> 0
     GROUP BY 1, 2, 3, 4
    HAVING sum(quantity) <> 0 OR sum(quantity * rate) <> 0
), effect AS (
    SELECT planned.number, priced.item_id, customer_id, sum(quantity) AS quantity, sum(cost) AS cost,
           sum(quantity * planned.without) AS without, sum(quantity * planned.changed) AS changed,
           $quantities
      FROM priced
      JOIN planned ON planned.item_id = priced.item_id AND planned.scope = priced.scope
     GROUP BY GROUPING SETS ((planned.number, customer_id), (planned.number, priced.item_id))
)
SELECT effect.number, item_id, coalesce(customer.code, effect.customer_id::text),
       coalesce(customer.name, ''), quantity, cost, without, changed, $measures
  FROM effect
  LEFT JOIN accounts_customer AS customer ON customer.id = effect.customer_id
