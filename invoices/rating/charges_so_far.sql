-- The lines of an open hour, customer by customer, each with what the hour would draw from the Tokens package that covers it.
WITH $consumed, $charged_lines, $weights, drawn AS (
    SELECT consumed.package_id, sum($demand_of_consumed) AS tokens
      FROM consumed
      JOIN pricing_quotapackage AS package ON package.id = consumed.package_id
      LEFT JOIN weights ON weights.package_id = package.id AND weights.service_id = consumed.service_id
     WHERE package.method = 'tokens_package'
     GROUP BY consumed.package_id
)
SELECT charged.customer_id, service.id AS service_id, charged.usage_hour, service.name, measure, kind, unit_price,
       unit_size, records, quantity, amount, correction, coalesce(package.number, '') AS package, is_own_price,
       package.id AS package_id, package.tokens, drawn.tokens
  FROM charged
  JOIN pricing_service AS service ON service.id = charged.service_id
  JOIN pricing_servicegroup AS section ON section.id = service.group_id
  LEFT JOIN pricing_quotapackage AS package ON package.id = charged.package_id
  LEFT JOIN drawn ON drawn.package_id = package.id AND charged.correction = '$none'
 ORDER BY charged.customer_id, usage_hour, section.position, service.position, billing_item_id, price_id, package.expires_at,
          package.bought_at, package.id, corrects_id NULLS FIRST, rerating_id NULLS FIRST, correction DESC
