-- The records of an event id, whoever's they are, archived or not: the key of records begins with the customer, so each
-- customer's is looked up by itself.
SELECT customer.code, record.event_id, record.occurred_at
  FROM accounts_customer AS customer
 CROSS JOIN LATERAL (
       SELECT event_id, occurred_at FROM usage_usagerecord WHERE customer_id = customer.id AND event_id = %(event_id)s
        UNION
       SELECT event_id, occurred_at FROM usage_archivedevent WHERE customer_id = customer.id AND event_id = %(event_id)s
       ) AS record
 LIMIT %(most)s
