-- Statements of the span that are not the sum of their documents, or are not on the account as they are payable.
SELECT statement.number, statement.amount, due.amount AS due, statement.payable, -booked.amount AS booked
  FROM invoices_statement AS statement
 CROSS JOIN LATERAL (
       SELECT coalesce((SELECT sum(amount) FROM invoices_hourlybill
                         WHERE customer_id = statement.customer_id
                           AND sealed_in_id >= statement.begins_at AND sealed_in_id < statement.ends_at), 0)
            + coalesce((SELECT sum(purchase.amount)
                          FROM invoices_packagepurchase AS purchase
                          JOIN pricing_quotapackage AS package ON package.id = purchase.package_id
                         WHERE package.customer_id = statement.customer_id
                           AND purchase.bought_at >= statement.begins_at AND purchase.bought_at < statement.ends_at), 0)
            - coalesce((SELECT sum(credit.credited)
                          FROM invoices_packagecredit AS credit
                          JOIN pricing_quotapackage AS package ON package.id = credit.package_id
                         WHERE package.customer_id = statement.customer_id
                           AND credit.sealed_in_id >= statement.begins_at AND credit.sealed_in_id < statement.ends_at), 0)
            + (SELECT coalesce(sum(amount) FILTER (WHERE kind <> 'credit'), 0) - coalesce(sum(amount) FILTER (WHERE kind = 'credit'), 0)
                 FROM invoices_adjustment
                WHERE customer_id = statement.customer_id AND decision = 'approved'
                  AND decided_at >= statement.begins_at AND decided_at < statement.ends_at)
            AS amount) AS due
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(entry.amount), 0) AS amount
         FROM invoices_accounttransaction AS transaction
         JOIN invoices_accountentry AS entry ON entry.transaction_id = transaction.id AND entry.account = 'sales'
        WHERE transaction.statement_id = statement.sequence) AS booked
 WHERE (%s::timestamptz IS NULL OR statement.ends_at > %s)
   AND (%s::timestamptz IS NULL OR statement.begins_at < %s)
   AND (statement.amount <> due.amount
        OR statement.corrects_id IS NULL AND -booked.amount <> statement.payable)
 ORDER BY statement.sequence
