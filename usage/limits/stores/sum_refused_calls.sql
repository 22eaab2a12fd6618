WITH period AS (
    SELECT coalesce(%s::timestamptz, now()) - make_interval(hours => %s::integer + 1) AS since,
           %s::bigint AS customer_id
)
SELECT refused.customer_id, service_id, refusal, sum(calls)::bigint
  FROM usage_refusedcalls AS refused, period
 WHERE hour > since AND (period.customer_id IS NULL OR refused.customer_id = period.customer_id)
 GROUP BY refused.customer_id, service_id, refusal
 ORDER BY refused.customer_id, service_id, refusal
