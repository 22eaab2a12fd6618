SELECT bill.customer_id, line.id, bill.id, bill.sealed_in_id, bill.hour_id, $line
  FROM invoices_chargeline AS line
  JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id
 WHERE line.corrects_id = ANY (%s) AND (bill.sealed_in_id, bill.hour_id) < (%s, %s)
 ORDER BY bill.sealed_in_id, bill.hour_id, line.id
