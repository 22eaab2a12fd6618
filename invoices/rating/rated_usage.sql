-- Common table expressions that continue from `consumed`: `reversed`, the hour's reversals, by the hour in which what they
-- reverse was billed and by the package that covered it; `looked_up`, each group's billing items with the price in
-- force, if any; `priced`, the same, a part without a price of its own left in its whole; `rated`, quantities at prices,
-- which are 0 for what a package covers.
$reversed_usage, used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, *
      FROM (SELECT * FROM consumed UNION ALL SELECT * FROM reversed) AS both_kinds
), looked_up AS MATERIALIZED (
    SELECT used.place, used.customer_id, used.service_id, used.usage_hour, used.billed_in, used.package_id,
           used.on_line, measured.measure, measured.quantity, measured.whole, measured.is_part, item.id AS billing_item_id,
           price.id AS price_id, price.kind, price.unit_price, price.unit_size,
           price.customer_id IS NOT NULL AS is_own_price
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      LEFT JOIN pricing_billingitem AS item
        ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL ($price_in_force) AS price ON true
     WHERE item.id IS NOT NULL AND NOT used.is_piece OR measured.quantity <> 0
), priced AS MATERIALIZED (
    SELECT place, customer_id, service_id, usage_hour, billed_in, package_id, on_line, measure,
           $net_quantity AS quantity, billing_item_id, price_id, kind,
           CASE WHEN package_id IS NULL THEN unit_price ELSE 0 END AS unit_price, unit_size, is_own_price
      FROM looked_up
     WHERE NOT is_part OR price_id IS NOT NULL
), rated AS (
    SELECT customer_id, service_id, usage_hour, billed_in, package_id, billing_item_id, price_id, measure, kind,
           is_own_price, unit_price, unit_size, sum(on_line)::bigint AS records, sum(quantity) AS quantity
      FROM priced
     WHERE price_id IS NOT NULL
     GROUP BY customer_id, service_id, usage_hour, billed_in, package_id, billing_item_id, price_id, measure,
              kind, is_own_price, unit_price, unit_size
)
