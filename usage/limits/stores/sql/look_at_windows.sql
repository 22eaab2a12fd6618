-- What the windows of these customers and services hold, in their order and by the clock, without a lock.
CREATE OR REPLACE FUNCTION look_at_windows(whose json, given timestamptz DEFAULT NULL)
    RETURNS TABLE (second bigint, calls bigint, tokens bigint, calls_reset bigint, tokens_reset bigint)
    LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT present.second, coalesce(held.calls_in_all, 0), coalesce(held.tokens_in_all, 0),
           coalesce(empty_from(held.calls, held.second) - held.ahead, present.second),
           coalesce(empty_from(held.tokens, held.second) - held.ahead, present.second)
      FROM present_second(given) AS present (second)
     CROSS JOIN ROWS FROM (json_to_recordset(whose) AS (customer bigint, service bigint))
           WITH ORDINALITY AS one (customer, service, place)
      LEFT JOIN LATERAL (
           SELECT its.* FROM usage_callwindow AS its
            WHERE its.customer_id = one.customer AND its.service_id = one.service LIMIT 1) AS kept ON true
      LEFT JOIN LATERAL (
           SELECT its.* FROM advanced_window(kept, present.second) AS its WHERE kept.second IS NOT NULL
      ) AS held ON true
     ORDER BY one.place
$$;
