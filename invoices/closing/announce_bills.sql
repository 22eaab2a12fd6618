-- The events of the bills of a closing: of customers that want them alone, so that the others cost nothing.
SELECT bill.customer_id, 'bill.closed' AS kind, bill.number AS key,
       jsonb_build_object(
           'customer', bill.customer_code, 'bill', bill.number,
           'hour', to_char(bill.hour_id AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'amount', trim_scale(bill.amount)::text, 'currency', 'CNY') AS payload
  FROM invoices_hourlybill AS bill
 WHERE bill.sealed_in_id = %(hour)s AND bill.customer_id IN (SELECT customer_id FROM wanted)
