SELECT coalesce(sum(line.records) FILTER (WHERE line.usage_hour <> bill.hour_id), 0),
       coalesce(sum(line.records), 0)
  FROM invoices_hourlybill AS bill
  JOIN invoices_chargeline AS line ON line.bill_id = bill.id
 WHERE bill.sealed_in_id = %s AND line.correction = ''
