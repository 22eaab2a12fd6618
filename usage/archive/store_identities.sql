INSERT INTO usage_archivedevent (customer_id, event_id, occurred_at, billing_hour, content, reverses)
SELECT customer_id, event_id, occurred_at, billing_hour, content_hash(to_jsonb(record)), reverses
  FROM usage_usagerecord AS record
 WHERE billing_hour >= %s AND billing_hour < %s
 ORDER BY customer_id, event_id
    ON CONFLICT (customer_id, event_id) DO NOTHING
