-- A customer's latest bills, and what is parked of this month or the last day and not billed.
(SELECT 'bill' AS what, hour_id, number, issued_at, records, amount
   FROM invoices_hourlybill
  WHERE customer_id = %(customer)s AND hour_id <= %(closed)s
  ORDER BY hour_id DESC LIMIT %(bills)s)
 UNION ALL
SELECT 'parked', hour_id, '', parked_at, records, amount
  FROM invoices_parkedhour AS parked
 WHERE customer_id = %(customer)s AND hour_id >= least(%(month)s::timestamptz, %(hours_since)s::timestamptz)
   AND NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                    WHERE bill.customer_id = parked.customer_id AND bill.hour_id = parked.hour_id)
 ORDER BY hour_id DESC
