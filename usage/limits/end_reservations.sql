-- The rows of the windows are locked before.
WITH ended AS (
    DELETE FROM usage_budgetreservation WHERE id = ANY (%s::bigint[]) RETURNING use_id, amount
)
UPDATE usage_budgetuse AS use
   SET held = use.held - its.amount
  FROM (SELECT use_id, sum(amount) AS amount FROM ended GROUP BY use_id) AS its
 WHERE use.id = its.use_id
