-- What a re-rating finds: each line of its price in its span, and what is left of it. Needs the relations
-- `ordered` (id, price_id, from_hour, until_hour, unit_price, customer_id) and `reversals` (line_id, quantity).
SELECT bill.customer_id, line.id AS line_id, line.service_id, line.usage_hour, line.billing_item_id,
       line.price_id, line.measure, line.price_kind AS kind, line.is_own_price, line.unit_size,
       counts.unit_price AS old_price, ordered.unit_price AS new_price, ordered.id AS rerating_id,
       line.quantity + taken.before + coalesce(now_taken.quantity, 0) AS quantity
  FROM ordered
  JOIN invoices_chargeline AS line ON line.price_id = ordered.price_id AND line.correction = '$none'
   AND line.package_id IS NULL
   AND line.usage_hour >= ordered.from_hour AND line.usage_hour < ordered.until_hour
  JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id AND bill.hour_id >= ordered.from_hour
   AND (ordered.customer_id IS NULL OR bill.customer_id = ordered.customer_id)
   AND (bill.sealed_in_id, bill.hour_id) < (%(sealed_in)s, %(hour)s)
  $effective_price
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(reversal.quantity), 0) AS before
         FROM invoices_chargeline AS reversal
         JOIN invoices_hourlybill AS earlier ON earlier.id = reversal.bill_id
        WHERE reversal.corrects_id = line.id AND reversal.correction = '$reversal'
          AND (earlier.sealed_in_id, earlier.hour_id) < (%(sealed_in)s, %(hour)s)) AS taken
  LEFT JOIN reversals AS now_taken ON now_taken.line_id = line.id
