overruns AS (
    SELECT NULL::bigint AS customer_id, NULL::bigint AS service_id, NULL::timestamptz AS minute, NULL::numeric AS tokens,
           NULL::bigint AS bought, NULL::numeric AS before
     WHERE false
)
