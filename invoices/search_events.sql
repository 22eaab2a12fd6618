-- The records of an event id, whoever's they are: the key of records begins with the customer, so each customer's
-- is looked up by itself.
SELECT customer.code, record.event_id, record.occurred_at
  FROM accounts_customer AS customer
  JOIN usage_usagerecord AS record ON record.customer_id = customer.id AND record.event_id = %s
 LIMIT %s
