WITH reversals AS MATERIALIZED (
    SELECT customer_id, reverses
      FROM $records
     WHERE billing_hour = %s AND reverses IS NOT NULL AND (%s::bigint IS NULL OR customer_id = %s)
), archived AS MATERIALIZED (
    SELECT event.billing_hour, event.customer_id, event.event_id
      FROM reversals
      JOIN usage_archivedevent AS event
        ON event.customer_id = reversals.customer_id AND event.event_id = reversals.reverses
), here AS MATERIALIZED (
    SELECT customer_id, event_id
      FROM usage_usagerecord
     WHERE (customer_id, event_id) IN (SELECT customer_id, event_id FROM archived)
)
SELECT archived.billing_hour, archived.customer_id, archived.event_id
  FROM archived
  LEFT JOIN here ON here.customer_id = archived.customer_id AND here.event_id = archived.event_id
 WHERE here.event_id IS NULL
 ORDER BY archived.billing_hour
