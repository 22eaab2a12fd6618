-- The calls at which packages ran out, with the packages that cover such calls, in turn.
WITH $grouped $segments
SELECT DISTINCT record.customer_id, record.service_id, record.occurred_at, record.event_id, $of_record,
       ARRAY(SELECT chain.package_id FROM chain WHERE chain.place = grouped.place ORDER BY chain.turn) AS packages
  FROM run_out
  JOIN usage_usagerecord AS record
    ON record.customer_id = run_out.customer AND record.event_id = run_out.event_id
  JOIN grouped ON grouped.customer_id = record.customer_id AND grouped.service_id = record.service_id
   AND record.occurred_at >= grouped.from_at AND record.occurred_at < grouped.until_at
