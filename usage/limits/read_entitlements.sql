-- A customer's own call specification takes precedence over the default. The limits change where a call specification or a
-- package begins or ends.
WITH requested AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])
           WITH ORDINALITY AS requested (customer, service, key_id, place)
), present AS (
    SELECT %s::timestamptz AS instant
)
SELECT least(bought.instant_of_change,
             (SELECT min(instant_of_change)
                FROM pricing_callspecification AS held
               CROSS JOIN LATERAL (VALUES (held.begins_at), (held.ends_at)) AS edge (instant_of_change)
               WHERE held.service_id = service.id AND (held.customer_id IS NULL OR held.customer_id = customer.id)
                 AND instant_of_change > instant)),
       customer.id, coalesce(customer.is_suspended OR customer.suspended_for_arrears_at IS NOT NULL, false),
       customer.suspended_for_credit_at, trim_scale(customer.suspended_balance)::text, customer.suspended_limit::text,
       requested.key_id IS NULL OR EXISTS (
           SELECT FROM accounts_servicekey_customers AS allowed
            WHERE allowed.servicekey_id = requested.key_id AND allowed.customer_id = customer.id),
       service.id, service.name,
       -- As for usage: once a service has a general price it always has one.
       EXISTS (
           SELECT FROM pricing_billingitem AS item
             JOIN pricing_price AS price ON price.billing_item_id = item.id
            WHERE item.service_id = service.id AND price.customer_id IS NULL AND price.begins_at <= instant),
       EXISTS (
           SELECT FROM usage_budget AS budget
            WHERE budget.customer_id = customer.id AND budget.is_cap AND budget.removed_at IS NULL),
       specification.rpm, specification.tpm, bought.method, bought.rpm, bought.tpm
  FROM present
 CROSS JOIN requested
  LEFT JOIN accounts_customer AS customer ON customer.code = requested.customer
  LEFT JOIN LATERAL ($service_by_name) AS service ON true
  LEFT JOIN LATERAL (
       SELECT rpm, tpm
         FROM pricing_callspecification AS held
        WHERE held.service_id = service.id AND (held.customer_id IS NULL OR held.customer_id = customer.id)
          AND held.begins_at <= instant AND (held.ends_at IS NULL OR held.ends_at > instant)
        ORDER BY held.customer_id NULLS LAST
        LIMIT 1) AS specification ON true
 CROSS JOIN LATERAL ($package_limits) AS bought
 ORDER BY requested.place
