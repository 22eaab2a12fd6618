SELECT bill.customer_id, line.id, bill.id, bill.sealed_in_id, bill.hour_id, $line
  FROM invoices_chargeline AS line
  JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id
 WHERE bill.customer_id = %s AND bill.hour_id = ANY (%s) AND line.correction = ''
   AND (bill.sealed_in_id, bill.hour_id) < (%s, %s)
