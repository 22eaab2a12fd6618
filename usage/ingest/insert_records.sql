WITH sent AS MATERIALIZED (
    SELECT *
      FROM json_to_recordset(%s::json)
           AS sent (customer_id bigint, event_id text, service_id bigint, occurred_at timestamptz,
                    hour timestamptz, metadata jsonb, outcome text, is_charged boolean,
                    $measures_with_types)
), held AS MATERIALIZED (
    SELECT * FROM hold_hours_open((SELECT array_agg(hour) FROM sent))
), archived AS MATERIALIZED (
    SELECT found.*
      FROM (SELECT array_agg(customer_id) AS customers, array_agg(event_id) AS events FROM sent) AS keys
     CROSS JOIN LATERAL archived_among(keys.customers, keys.events) AS found
)
INSERT INTO usage_usagerecord ($columns)
SELECT customer_id, event_id, service_id, occurred_at, billing_hour, %s::timestamptz, metadata,
       outcome, is_charged, $measures
  FROM sent JOIN held USING (hour)
 WHERE NOT EXISTS (SELECT FROM archived
                    WHERE archived.customer_id = sent.customer_id AND archived.event_id = sent.event_id)
 ORDER BY customer_id, event_id COLLATE "C"
    ON CONFLICT DO NOTHING
RETURNING customer_id, event_id
