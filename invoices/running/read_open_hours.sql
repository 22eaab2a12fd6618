-- What a customer's open hours hold: as they were last summed up, or counted now. The records of hours that were summed
-- up are not read. What rating needs to know is read where an hour has to be.
WITH running AS MATERIALIZED (
    SELECT hour, calls, reversals, as_of, charges::text
      FROM invoices_runninghour
     WHERE customer_id = %(customer)s AND hour = ANY (%(hours)s::timestamptz[])
), not_summed AS MATERIALIZED (
    SELECT open.hour
      FROM unnest(%(hours)s::timestamptz[]) AS open (hour)
      LEFT JOIN running ON running.hour = open.hour
     WHERE running.hour IS NULL
), counted AS MATERIALIZED (
    SELECT not_summed.hour, count(*) - count(record.reverses) AS calls, count(record.reverses) AS reversals
      FROM not_summed
      JOIN usage_usagerecord AS record
        ON record.customer_id = %(customer)s AND record.billing_hour = not_summed.hour
     GROUP BY not_summed.hour
)
SELECT open.hour, coalesce(running.calls, counted.calls, 0) AS calls,
       coalesce(running.reversals, counted.reversals, 0) AS reversals, running.as_of, running.charges,
       CASE WHEN is_rated THEN ($price_instants) END AS instants,
       CASE WHEN is_rated THEN EXISTS (SELECT 1 FROM pricing_methodperiod WHERE customer_id = %(customer)s) END AS has_packages
  FROM unnest(%(hours)s::timestamptz[]) AS open (hour)
  LEFT JOIN running ON running.hour = open.hour
  LEFT JOIN counted ON counted.hour = open.hour
 CROSS JOIN LATERAL (
       SELECT running.hour IS NULL AND (
              counted.hour IS NOT NULL
              OR EXISTS (SELECT 1 FROM invoices_rerating AS rerating WHERE rerating.billing_hour = open.hour)) AS is_rated
       ) AS found
 ORDER BY open.hour
