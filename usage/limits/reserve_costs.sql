-- The rows of the windows are locked before.
WITH made AS (
    INSERT INTO usage_budgetreservation (use_id, customer_id, call_id, amount, expires_at)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::numeric[], %s::timestamptz[])
 RETURNING use_id, amount
)
UPDATE usage_budgetuse AS use
   SET held = use.held + its.amount
  FROM (SELECT use_id, sum(amount) AS amount FROM made GROUP BY use_id) AS its
 WHERE use.id = its.use_id
RETURNING use.id
