-- Of each customer that had a package since then: the tokens on the bills of these hours, and how many of them a
-- package covers. Reversed usage counts on both sides, corrections of prices on neither.
SELECT customer.code, customer.name, sum(line.quantity) AS used,
       coalesce(sum(line.quantity) FILTER (WHERE line.package_id IS NOT NULL), 0) AS covered
  FROM accounts_customer AS customer
  JOIN invoices_hourlybill AS bill ON bill.customer_id = customer.id
  JOIN invoices_chargeline AS line ON line.bill_id = bill.id
 WHERE bill.hour_id >= %(since)s AND bill.hour_id < %(now)s AND line.rerating_id IS NULL
   AND line.measure = ANY(%(measures)s)
   AND customer.id IN (
       SELECT package.customer_id
         FROM pricing_quotapackage AS package
        WHERE package.begins_at < %(now)s AND coalesce(package.ended_at, package.expires_at) > %(since)s)
 GROUP BY customer.id
 ORDER BY used DESC, customer.code
