-- What hourly bills come to by service, billing item and price; a correction counts at the price that it
-- credits or rebills, and a call that was reversed is one less.
SELECT line.service_id, line.service_name, line.measure, line.price_kind, line.is_own_price,
       line.correction = 'charged_anew' AS is_corrected, line.package_id IS NOT NULL AS is_covered,
       line.unit_price, line.unit_size,
       sum(CASE WHEN line.correction = 'reversal' THEN -line.records ELSE line.records END)::bigint AS calls,
       sum(line.quantity) AS quantity, sum(line.amount) AS amount
  FROM invoices_chargeline AS line
  JOIN pricing_service AS service ON service.id = line.service_id
  JOIN pricing_servicegroup AS service_group ON service_group.id = service.group_id
 WHERE line.bill_id = ANY(%(bills)s)
 GROUP BY service_group.position, service.position, line.service_id, line.service_name, line.billing_item_id,
          line.measure, line.price_kind, line.is_own_price, is_corrected, is_covered, line.unit_price,
          line.unit_size
 ORDER BY service_group.position, service.position, line.service_id, line.billing_item_id,
          is_corrected, is_covered, line.unit_price DESC, line.price_kind
