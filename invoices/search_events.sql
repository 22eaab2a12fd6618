-- The records of an event id, whoever's they are: the key of records begins with the customer, so each customer's
-- is looked up by itself.
SELECT customer.code, record.event_id, record.occurred_at
  FROM accounts_customer AS customer
 CROSS JOIN LATERAL (
       SELECT event_id, occurred_at
         FROM usage_usagerecord
        WHERE customer_id = customer.id AND event_id = %s) AS record
 LIMIT %s
