SELECT record.customer_id, customer.code, record.event_id, original.billing_hour,
       original.event_id, original.reverses IS NOT NULL,
       record.service_id, record.occurred_at, $measures,
       original.service_id, original.occurred_at, $original_measures
  FROM $records AS record
  LEFT JOIN $originals AS original
    ON original.customer_id = record.customer_id AND original.event_id = record.reverses
  LEFT JOIN accounts_customer AS customer ON customer.id = record.customer_id
 WHERE record.billing_hour = %s AND record.reverses IS NOT NULL AND record.is_charged IS NOT FALSE $of_customer
 ORDER BY record.customer_id
