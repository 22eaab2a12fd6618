SELECT run.bill_id, run.minute, run.service_id, run.tokens, run.bought
  FROM invoices_quotaoverrun AS run
  JOIN invoices_hourlybill AS bill ON bill.id = run.bill_id
 WHERE bill.sealed_in_id = %s
 ORDER BY run.bill_id, run.minute, run.service_id
