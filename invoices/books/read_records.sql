SELECT customer_id, service_id, occurred_at, event_id, $measures
  FROM $records
 WHERE billing_hour = %s AND reverses IS NULL AND is_charged IS NOT FALSE $of_customer
 ORDER BY customer_id
