-- Common table expressions that continue from `grouped`: `chain`, the packages that cover each group, in the order of
-- drawing, with where each one ran out; `segments`, which package covers the records of a group between the calls at
-- which packages ran out (exclusive; null: from the first, to the last). A group that no package covers has none. What is
-- free because of trials draws on no Tokens package.
in_play AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(in_play)s::json) AS (package bigint, position integer)
), run_out AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(run_out)s::json)
               AS (customer bigint, position integer, at timestamptz, event_id text)
), chain AS MATERIALIZED (
    SELECT grouped.place, period.package_id, period.method, in_play.position,
           row_number() OVER (PARTITION BY grouped.place
                                  ORDER BY package.expires_at, package.bought_at, package.id) AS turn
      FROM grouped
      LEFT JOIN ($free_usage) AS free USING (customer_id, service_id, instant)
      JOIN pricing_methodperiod AS period
        ON period.customer_id = grouped.customer_id AND period.service_id = grouped.service_id
       AND period.begins_at <= grouped.usage_hour AND period.ends_at > grouped.usage_hour
      JOIN pricing_quotapackage AS package ON package.id = period.package_id
      LEFT JOIN in_play ON in_play.package = period.package_id
     WHERE period.method = 'tpm_package' OR in_play.package IS NOT NULL AND free.instant IS NULL
), ranges AS (
    SELECT place, package_id, method, position AS upto, max(position) OVER earlier AS after,
           coalesce(bool_or(position IS NULL) OVER earlier, false) AS is_covered
      FROM chain
    WINDOW earlier AS (PARTITION BY place ORDER BY turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), segments AS MATERIALIZED (
    SELECT place, package_id, method, after, upto
      FROM ranges WHERE NOT is_covered AND (after IS NULL OR upto IS NULL OR after < upto)
     UNION ALL
    SELECT place, NULL, '', max(position), NULL FROM chain GROUP BY place HAVING bool_and(position IS NOT NULL)
)
