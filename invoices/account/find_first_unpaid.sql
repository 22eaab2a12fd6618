-- The oldest booking of each customer that is not paid in full: what the customer has paid, or was credited, pays the
-- oldest first. What is owed by a booking that was reversed counts as little as its reversal.
WITH booked AS (
     SELECT booking.customer_id, booking.id, booking.at, entry.amount,
            booking.reverses_id IS NULL AND entry.amount > 0 AS is_owed
       FROM invoices_accounttransaction AS booking
       JOIN invoices_accountentry AS entry ON entry.transaction_id = booking.id AND entry.account = 'receivable'
      WHERE (%(customer)s::bigint IS NULL OR booking.customer_id = %(customer)s)
        AND NOT (booking.reverses_id IS NOT NULL AND entry.amount < 0)
        AND NOT (booking.reverses_id IS NULL AND entry.amount > 0
                 AND EXISTS (SELECT FROM invoices_accounttransaction AS reversal WHERE reversal.reverses_id = booking.id))),
paid AS (
     SELECT customer_id, coalesce(-sum(amount) FILTER (WHERE NOT is_owed), 0) AS amount FROM booked GROUP BY customer_id),
owed AS (
     SELECT customer_id, id, at, sum(amount) OVER (PARTITION BY customer_id ORDER BY id) AS amount
       FROM booked WHERE is_owed)
SELECT DISTINCT ON (customer_id) customer_id, owed.id, owed.at
  FROM owed JOIN paid USING (customer_id)
 WHERE owed.amount > paid.amount
 ORDER BY customer_id, owed.id
