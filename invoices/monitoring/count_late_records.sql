-- Of each of these hours, how many records on the lines that were sealed with it came after their own hour was closed,
-- and how many there are.
SELECT bill.sealed_in_id, coalesce(sum(line.records) FILTER (WHERE line.usage_hour <> bill.hour_id), 0)::bigint,
       sum(line.records)::bigint
  FROM invoices_hourlybill AS bill
  JOIN invoices_chargeline AS line ON line.bill_id = bill.id
 WHERE bill.sealed_in_id = ANY(%s) AND line.correction = ''
 GROUP BY bill.sealed_in_id
