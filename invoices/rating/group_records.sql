-- The records of an hour, in groups of one price each: those that are punctual, or those that are late.
SELECT customer_id, service_id, $usage_hour AS usage_hour, NULL::timestamptz AS billed_in,
       width_bucket(min(occurred_at), %(instants)s::timestamptz[]) AS price_interval,
       min(occurred_at) AS instant, count(*) AS records, $sums
  FROM usage_usagerecord
 WHERE billing_hour = %(hour)s AND reverses IS NULL AND is_charged IS NOT FALSE
   AND occurred_at $when billing_hour
   AND (%(customers)s::bigint[] IS NULL OR customer_id = ANY (%(customers)s::bigint[]))
 GROUP BY customer_id, service_id $intervals
