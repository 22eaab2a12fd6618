-- The shares of lines that re-rate others: those of the line that they correct, without what was reversed before.
INSERT INTO invoices_metadatausage
       (line_id, customer_id, hour, service_id, billing_item_id, name, value, calls, quantity, amount)
SELECT line.id, bill.customer_id, bill.hour_id, line.service_id, line.billing_item_id, part.name, part.value, 0,
       sum(part.quantity) * sign(line.quantity),
       sum(part.quantity) * sign(line.quantity) * line.unit_price * (1::numeric / line.unit_size)
  FROM invoices_hourlybill AS bill
  JOIN invoices_chargeline AS line ON line.bill_id = bill.id AND line.rerating_id IS NOT NULL
  JOIN invoices_chargeline AS related
    ON related.id = line.corrects_id OR related.corrects_id = line.corrects_id AND related.correction = 'reversal'
  JOIN invoices_hourlybill AS related_bill
    ON related_bill.id = related.bill_id
   AND (related_bill.sealed_in_id, related_bill.hour_id) <= (bill.sealed_in_id, bill.hour_id)
  JOIN invoices_metadatausage AS part ON part.line_id = related.id
 WHERE bill.sealed_in_id = %(sealed_in)s
 GROUP BY line.id, bill.customer_id, bill.hour_id, line.service_id, line.billing_item_id, part.name, part.value,
          line.unit_price, line.unit_size, line.quantity
