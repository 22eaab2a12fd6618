-- A common table expression that keeps what the groups have of the calls before the one at which a package runs out.
, stored AS (
    INSERT INTO pg_temp.reached_usage (place, package_id, records, $measures)
    SELECT place, package, count(*), $sums
      FROM reached WHERE left_after >= 0 AND place IS NOT NULL GROUP BY place, package
)
