-- Common table expressions that continue from `consumed` up to `charged`, the future charge lines. The amount
-- multiplies by the reciprocal of the unit size, a power of ten, because PostgreSQL rounds quotients but not
-- products.
$rated_usage, reversals AS MATERIALIZED (
    SELECT rated.*, line.id AS line_id, counts.unit_price AS counting_price
      FROM rated
      JOIN invoices_hourlybill AS bill
        ON bill.customer_id = rated.customer_id AND bill.hour_id = rated.billed_in
       AND (bill.sealed_in_id, bill.hour_id) < (%(sealed_in)s, %(hour)s)
      JOIN invoices_chargeline AS line
        ON line.bill_id = bill.id AND line.billing_item_id = rated.billing_item_id
       AND line.price_id = rated.price_id AND line.usage_hour = rated.usage_hour AND line.correction = '$none'
       AND line.package_id IS NOT DISTINCT FROM rated.package_id
      $effective_price
), ordered AS (
    SELECT id, price_id, from_hour, until_hour, unit_price, customer_id
      FROM invoices_rerating WHERE billing_hour = %(hour)s
), reworked AS MATERIALIZED ($rerated_lines
     WHERE %(customers)s::bigint[] IS NULL OR bill.customer_id = ANY (%(customers)s::bigint[])
), parts AS (
    SELECT customer_id, service_id, usage_hour, package_id, billing_item_id, price_id, measure, kind,
           is_own_price, unit_price, unit_size, records, quantity,
           '$none' AS correction, NULL::bigint AS corrects_id, NULL::bigint AS rerating_id
      FROM rated WHERE billed_in IS NULL
     UNION ALL
    SELECT customer_id, service_id, usage_hour, package_id, billing_item_id, price_id, measure, kind,
           is_own_price, counting_price, unit_size, records, quantity, '$reversal', line_id, NULL
      FROM reversals
     UNION ALL
    SELECT customer_id, service_id, usage_hour, NULL, billing_item_id, price_id, measure, kind, is_own_price,
           part.unit_price, unit_size, 0, part.sign * quantity, part.correction, line_id, rerating_id
      FROM reworked
     CROSS JOIN LATERAL (
           VALUES (-1, old_price, '$credited'), (1, new_price, '$rebilled')
           ) AS part (sign, unit_price, correction)
     WHERE quantity <> 0 AND old_price <> new_price
), charged AS (
    SELECT *, quantity * unit_price * (1::numeric / unit_size) AS amount FROM parts
)
