INSERT INTO archived_originals
SELECT original.*
  FROM $records AS record
  JOIN usage_usagerecord AS original
    ON original.customer_id = record.customer_id AND original.event_id = record.reverses
 WHERE record.billing_hour = %s AND record.reverses IS NOT NULL
