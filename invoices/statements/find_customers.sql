-- Customers with a document that is on no statement yet, of a month that is final by the customer's clock.
WITH billed AS (
    SELECT customer.id, coalesce(max(statement.ends_at), '-infinity') AS until, final.until AS final_until
      FROM unnest(%(zones)s::text[], %(until)s::timestamptz[]) AS final (zone, until)
      JOIN accounts_customer AS customer ON customer.time_zone = final.zone
      LEFT JOIN invoices_statement AS statement ON statement.customer_id = customer.id
     GROUP BY customer.id, final.until
)
SELECT billed.id
  FROM billed
 WHERE EXISTS (SELECT FROM invoices_hourlybill
                WHERE customer_id = billed.id AND sealed_in_id >= billed.until AND sealed_in_id < billed.final_until)
    OR EXISTS (SELECT FROM pricing_quotapackage AS package
                 JOIN invoices_packagepurchase AS purchase ON purchase.package_id = package.id
                WHERE package.customer_id = billed.id AND purchase.bought_at >= billed.until
                  AND purchase.bought_at < billed.final_until)
    OR EXISTS (SELECT FROM pricing_quotapackage AS package
                 JOIN invoices_packagecredit AS credit ON credit.package_id = package.id
                WHERE package.customer_id = billed.id AND credit.sealed_in_id >= billed.until
                  AND credit.sealed_in_id < billed.final_until)
    OR EXISTS (SELECT FROM invoices_adjustment
                WHERE customer_id = billed.id AND decision = 'approved'
                  AND decided_at >= billed.until AND decided_at < billed.final_until)
 ORDER BY billed.id
