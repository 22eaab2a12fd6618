-- What the hour's reversals give back to each package that still runs.
WITH $reversed_usage, $weights
SELECT reversed.package_id, -sum($demand)
  FROM reversed
  JOIN pricing_quotapackage AS package ON package.id = reversed.package_id
  LEFT JOIN weights
    ON weights.package_id = reversed.package_id AND weights.service_id = reversed.service_id
 WHERE $still_runs
 GROUP BY reversed.package_id
HAVING sum($demand) < 0
