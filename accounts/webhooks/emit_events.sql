-- Writes each event that an endpoint of its customer is to get, with its deliveries. One that was written before, or
-- that no endpoint is to get, is passed over. $news gives customer_id, kind, key and payload; it may read `wanted`.
WITH wanted AS MATERIALIZED (
     SELECT endpoint.id AS endpoint_id, endpoint.customer_id, kind
       FROM accounts_webhookendpoint AS endpoint CROSS JOIN unnest(endpoint.kinds) AS kind
      WHERE endpoint.disabled_at IS NULL AND endpoint.removed_at IS NULL AND kind = ANY(%(kinds)s)),
news AS ($news),
event AS (
     INSERT INTO accounts_webhookevent (customer_id, kind, key, payload, at)
     SELECT customer_id, kind, key, payload, %(now)s FROM news
      WHERE (customer_id, kind) IN (SELECT customer_id, kind FROM wanted)
         ON CONFLICT DO NOTHING
     RETURNING id, customer_id, kind)
INSERT INTO accounts_webhookdelivery (event_id, endpoint_id, state, next_attempt_at)
SELECT event.id, wanted.endpoint_id, 'waiting', %(now)s
  FROM event JOIN wanted USING (customer_id, kind)
