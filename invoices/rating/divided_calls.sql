-- The calls at which packages ran out, with the packages that cover such calls, in turn.
WITH $grouped $segments
SELECT DISTINCT record.customer_id, record.service_id, record.occurred_at, record.event_id, $of_record,
       ARRAY(SELECT chain.package_id FROM chain WHERE chain.place = grouped.place ORDER BY chain.turn) AS packages
  FROM run_out
  JOIN usage_usagerecord AS record
    ON record.customer_id = run_out.customer AND record.event_id = run_out.event_id
  JOIN grouped ON grouped.customer_id = record.customer_id AND grouped.service_id = record.service_id
   AND grouped.usage_hour = date_trunc('hour', record.occurred_at, 'UTC')
   AND grouped.price_interval = width_bucket(record.occurred_at, %(instants)s::timestamptz[])
