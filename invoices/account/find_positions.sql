-- What each customer has: its booked balance, what is billed on no statement, and what its open hours came to when they
-- were last summed up. An open hour that would be parked as it stands does not count. `paid_by` is the last payment.
WITH closed AS (SELECT max(hour) AS last FROM usage_billinghour)
SELECT customer.id, closed.last, booked.balance, unbilled.amount, running.amount, lately.amount, booked.paid_by
  FROM closed
 CROSS JOIN accounts_customer AS customer
 CROSS JOIN LATERAL (
       SELECT coalesce(max(ends_at), '-infinity') AS until FROM invoices_statement WHERE customer_id = customer.id) AS billed
 CROSS JOIN LATERAL (
       SELECT coalesce(-sum(entry.amount), 0) AS balance,
              coalesce(max(booking.id) FILTER (WHERE booking.kind = 'payment'), 0) AS paid_by
         FROM invoices_accounttransaction AS booking
         JOIN invoices_accountentry AS entry ON entry.transaction_id = booking.id AND entry.account = 'receivable'
        WHERE booking.customer_id = customer.id) AS booked
 CROSS JOIN LATERAL (
       SELECT coalesce((SELECT sum(amount) FROM invoices_hourlybill
                         WHERE customer_id = customer.id AND sealed_in_id >= billed.until), 0)
            + coalesce((SELECT sum(purchase.amount)
                          FROM invoices_packagepurchase AS purchase
                          JOIN pricing_quotapackage AS package ON package.id = purchase.package_id
                         WHERE package.customer_id = customer.id AND purchase.bought_at >= billed.until), 0)
            - coalesce((SELECT sum(credit.credited)
                          FROM invoices_packagecredit AS credit
                          JOIN pricing_quotapackage AS package ON package.id = credit.package_id
                         WHERE package.customer_id = customer.id AND credit.sealed_in_id >= billed.until), 0)
            + (SELECT coalesce(sum(amount) FILTER (WHERE kind <> 'credit'), 0) - coalesce(sum(amount) FILTER (WHERE kind = 'credit'), 0)
                 FROM invoices_adjustment
                WHERE customer_id = customer.id AND decision = 'approved' AND decided_at >= billed.until)
            AS amount) AS unbilled
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0) AS amount FROM invoices_runninghour AS running
        WHERE running.customer_id = customer.id AND (closed.last IS NULL OR running.hour > closed.last)
          AND NOT EXISTS (SELECT FROM invoices_openhouralarm AS alarm
                           WHERE alarm.customer_id = customer.id AND alarm.hour = running.hour)) AS running
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0) AS amount FROM invoices_hourlybill AS bill
        WHERE bill.customer_id = customer.id
          AND bill.hour_id > closed.last - make_interval(hours => coalesce(customer.low_balance_hours, %(hours)s::integer))
       ) AS lately
 WHERE customer.id = ANY(%(customers)s::bigint[])
