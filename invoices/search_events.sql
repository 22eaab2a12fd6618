-- The records of an event id, whoever's they are, archived or not: the key of records begins with the customer, so each
-- customer's is looked up by itself.
SELECT customer.code, record.event_id, record.occurred_at
  FROM accounts_customer AS customer
  JOIN usage_usagerecord AS record ON record.customer_id = customer.id AND record.event_id = %(event_id)s
 UNION
SELECT customer.code, archived.event_id, archived.occurred_at
  FROM accounts_customer AS customer
  JOIN usage_archivedevent AS archived ON archived.customer_id = customer.id AND archived.event_id = %(event_id)s
 LIMIT %(most)s
