SELECT customer_id, service_id, occurred_at, $measures
  FROM usage_usagerecord
 WHERE billing_hour = %s AND reverses IS NULL $of_customer
 ORDER BY customer_id
