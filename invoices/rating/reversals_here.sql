-- The hour's reversals, each with what it reverses: of everybody, or of some customers.
SELECT record.customer_id, record.event_id, record.service_id, record.occurred_at,
       date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour, original.event_id AS original_id,
       original.billing_hour AS billed_in, $of_record
  FROM usage_usagerecord AS record
  JOIN usage_usagerecord AS original
    ON original.customer_id = record.customer_id AND original.event_id = record.reverses
 WHERE record.billing_hour = %(hour)s AND record.reverses IS NOT NULL
   AND record.is_charged IS NOT FALSE
   AND (%(customers)s::bigint[] IS NULL OR record.customer_id = ANY (%(customers)s::bigint[]))
