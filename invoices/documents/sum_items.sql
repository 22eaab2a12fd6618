-- What hourly bills come to by service, billing item and price; a correction counts at the price that it
-- credits or rebills, and a call that was reversed is one less. Only the sums are put in order, not the lines.
WITH item AS (
    SELECT line.service_id, line.service_name, line.billing_item_id, line.measure, line.price_kind,
           line.is_own_price, line.correction = 'charged_anew' AS is_corrected,
           line.package_id IS NOT NULL AS is_covered, line.unit_price, line.unit_size,
           sum(CASE WHEN line.correction = 'reversal' THEN -line.records ELSE line.records END)::bigint AS calls,
           sum(line.quantity) AS quantity, sum(line.amount) AS amount
      FROM invoices_chargeline AS line
     WHERE line.bill_id = ANY(%(bills)s)
     GROUP BY line.service_id, line.service_name, line.billing_item_id, line.measure, line.price_kind,
              line.is_own_price, is_corrected, is_covered, line.unit_price, line.unit_size
)
SELECT item.service_id, item.service_name, item.measure, item.price_kind, item.is_own_price, item.is_corrected,
       item.is_covered, item.unit_price, item.unit_size, item.calls, item.quantity, item.amount
  FROM item
  JOIN pricing_service AS service ON service.id = item.service_id
  JOIN pricing_servicegroup AS service_group ON service_group.id = service.group_id
 ORDER BY service_group.position, service.position, item.service_id, item.billing_item_id, item.is_corrected,
          item.is_covered, item.unit_price DESC, item.price_kind
