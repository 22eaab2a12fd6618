SELECT bill.customer_id, bill.id, bill.number, bill.hour_id, bill.sealed_in_id, bill.customer_code,
       bill.customer_name, bill.records, bill.amount, bill.issued_at, line.id, $line
  FROM invoices_hourlybill AS bill
  LEFT JOIN invoices_chargeline AS line ON line.bill_id = bill.id
 WHERE bill.sealed_in_id = %s
 ORDER BY bill.customer_id, bill.id, line.usage_hour, line.billing_item_id, line.price_id, line.id
