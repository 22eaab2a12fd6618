-- Ends calls that were not admitted, or were released, because their usage was reported; answers which of them.
WITH reported AS (
    SELECT * FROM json_to_recordset(%s::json) AS (call_id text, customer bigint, service bigint)
)
INSERT INTO usage_admittedcall AS known (call_id, customer_id, service_id, second, setbacks, tokens, state)
SELECT call_id, customer, service, present_second(%s::timestamptz), 0, 0, 'settled'
  FROM reported
 ORDER BY call_id COLLATE "C", customer
    ON CONFLICT (call_id, customer_id) DO UPDATE SET state = excluded.state WHERE known.state = 'released'
RETURNING customer_id, call_id
