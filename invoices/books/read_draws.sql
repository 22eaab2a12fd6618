SELECT bill.customer_id, $draw
  FROM invoices_packagedraw AS draw
  JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
 WHERE bill.sealed_in_id = %s
 ORDER BY bill.customer_id, draw.id
