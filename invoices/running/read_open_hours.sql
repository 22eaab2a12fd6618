-- What a customer's open hours hold: as they were last summed up, or counted now. The condition that an hour was not
-- summed up stands within, so that its records are not read.
SELECT open.hour, coalesce(running.calls, counted.calls) AS calls, coalesce(running.reversals, counted.reversals) AS reversals,
       EXISTS (SELECT FROM invoices_rerating AS rerating WHERE rerating.billing_hour = open.hour) AS is_rerated,
       running.as_of, running.charges::text
  FROM unnest(%(hours)s::timestamptz[]) AS open (hour)
  LEFT JOIN invoices_runninghour AS running ON running.customer_id = %(customer)s AND running.hour = open.hour
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE record.reverses IS NULL) AS calls, count(record.reverses) AS reversals
         FROM usage_usagerecord AS record
        WHERE running.hour IS NULL AND record.customer_id = %(customer)s AND record.billing_hour = open.hour
       ) AS counted
 ORDER BY open.hour
