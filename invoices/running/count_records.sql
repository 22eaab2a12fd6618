-- How many records each customer has in each open hour, of customers with many in one of them; how many of these are
-- reversals comes from their own index.
WITH counted AS MATERIALIZED (
    SELECT billing_hour, customer_id, count(*) AS records
      FROM usage_usagerecord
     WHERE billing_hour > %(after)s AND billing_hour <= %(this_hour)s
     GROUP BY billing_hour, customer_id
)
SELECT billing_hour, customer_id, records, (
       SELECT count(*) FROM usage_usagerecord AS record
        WHERE record.billing_hour = counted.billing_hour AND record.reverses IS NOT NULL
          AND record.customer_id = counted.customer_id) AS reversals
  FROM counted
 WHERE customer_id IN (SELECT customer_id FROM counted WHERE records > %(most)s)
