-- In no order, so it skips rows that other transactions have locked: waiting for them could deadlock.
WITH old AS (
    SELECT call_id, customer_id FROM usage_admittedcall
     WHERE second < present_second(%s::timestamptz) - %s::bigint
       FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM usage_admittedcall AS call USING old
     WHERE (call.call_id, call.customer_id) = (old.call_id, old.customer_id)
    RETURNING call.call_id
)
SELECT count(*) FROM removed
