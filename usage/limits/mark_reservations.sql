-- The instant is read when the statement runs, after the commit of the calls' records.
UPDATE usage_budgetreservation AS reservation
   SET reported_at = clock_timestamp()
  FROM unnest(%s::bigint[], %s::text[]) AS call (customer_id, call_id)
 WHERE reservation.customer_id = call.customer_id AND reservation.call_id = call.call_id
   AND reservation.reported_at IS NULL
