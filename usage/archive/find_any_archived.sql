SELECT found.customer_id
  FROM (SELECT array_agg((key ->> 0)::bigint) AS customers, array_agg(key ->> 1) AS events
          FROM json_array_elements(%s::json) AS key) AS keys
 CROSS JOIN LATERAL archived_among(keys.customers, keys.events) AS found
 LIMIT 1
