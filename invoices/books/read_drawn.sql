SELECT bill.hour_id, $draw
  FROM invoices_packagedraw AS draw
  JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
 WHERE bill.customer_id = %s AND bill.hour_id = ANY (%s) AND NOT draw.is_return
   AND (bill.sealed_in_id, bill.hour_id) < (%s, %s)
