-- What a customer's open hours hold: as they were last summed up, or counted now. The condition that an hour was not
-- summed up stands within, so that its records are not read. What rating needs to know is read where an hour has to be.
SELECT open.hour, coalesce(running.calls, counted.calls) AS calls, coalesce(running.reversals, counted.reversals) AS reversals,
       running.as_of, running.charges::text,
       CASE WHEN is_rated THEN ($price_instants) END AS instants,
       CASE WHEN is_rated THEN EXISTS (SELECT FROM pricing_methodperiod WHERE customer_id = %(customer)s) END AS has_packages
  FROM unnest(%(hours)s::timestamptz[]) AS open (hour)
  LEFT JOIN invoices_runninghour AS running ON running.customer_id = %(customer)s AND running.hour = open.hour
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE record.reverses IS NULL) AS calls, count(record.reverses) AS reversals
         FROM usage_usagerecord AS record
        WHERE running.hour IS NULL AND record.customer_id = %(customer)s AND record.billing_hour = open.hour
       ) AS counted
 CROSS JOIN LATERAL (
       SELECT running.hour IS NULL AND (
              counted.calls > 0 OR counted.reversals > 0
              OR EXISTS (SELECT FROM invoices_rerating AS rerating WHERE rerating.billing_hour = open.hour)) AS is_rated
       ) AS found
 ORDER BY open.hour
