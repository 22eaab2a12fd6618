-- What the groups would take at most of each Tokens package of their customers that has something left, in the order of
-- drawing. `left` includes what reversed calls give back in this hour.
WITH $grouped $weights, returned AS (
    SELECT * FROM json_to_recordset(%(returned)s::json) AS (package bigint, tokens numeric)
), usable AS (
    SELECT package.id AS package_id, package.customer_id, package.expires_at, package.bought_at,
           coalesce(drawn.left, package.tokens) + coalesce(returned.tokens, 0) AS left, grouped.service_id,
           $quantities
      FROM grouped
      JOIN pricing_methodperiod AS period
        ON period.customer_id = grouped.customer_id AND period.service_id = grouped.service_id
       AND period.begins_at <= grouped.usage_hour AND period.ends_at > grouped.usage_hour
      JOIN pricing_quotapackage AS package ON package.id = period.package_id
      LEFT JOIN LATERAL (
           SELECT draw.left, draw.ran_out_at FROM invoices_packagedraw AS draw
            WHERE draw.package_id = package.id ORDER BY draw.id DESC LIMIT 1) AS drawn ON true
      LEFT JOIN returned ON returned.package = package.id
     WHERE period.method = 'tokens_package' AND package.ended_at IS NULL
       AND drawn.ran_out_at IS NULL
)
SELECT usable.package_id, customer_id, usable.left, sum($demand) AS demand
  FROM usable
  LEFT JOIN weights ON weights.package_id = usable.package_id AND weights.service_id = usable.service_id
 WHERE usable.left > 0
 GROUP BY usable.package_id, customer_id, usable.left, expires_at, bought_at
 ORDER BY customer_id, expires_at, bought_at, usable.package_id
