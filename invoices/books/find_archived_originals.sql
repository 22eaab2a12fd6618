SELECT archived.billing_hour, archived.customer_id, archived.event_id
  FROM $records AS record
  JOIN usage_archivedevent AS archived
    ON archived.customer_id = record.customer_id AND archived.event_id = record.reverses
  LEFT JOIN usage_usagerecord AS here ON here.customer_id = record.customer_id AND here.event_id = record.reverses
 WHERE record.billing_hour = %s AND record.reverses IS NOT NULL
   AND (%s::bigint IS NULL OR record.customer_id = %s) AND here.event_id IS NULL
 ORDER BY archived.billing_hour
