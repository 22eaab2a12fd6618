-- Customers whose part of an open hour may come to more than a bound, with the average of their bills of the last
-- days where there are enough to know it. Grouped as the closing groups; each quantity at the dearest price that
-- there is of it, which is an upper bound of what it costs.
WITH used AS MATERIALIZED ($grouped), dearest AS MATERIALIZED (
    SELECT item.service_id, item.measure, max(price.unit_price * (1::numeric / price.unit_size)) AS price
      FROM pricing_price AS price
      JOIN pricing_billingitem AS item ON item.id = price.billing_item_id
     GROUP BY item.service_id, item.measure
), bounds AS (
    SELECT used.customer_id, sum(measured.quantity * dearest.price) AS most
      FROM used
     CROSS JOIN LATERAL (VALUES $measured) AS measured (measure, quantity, whole, is_part)
      JOIN dearest ON dearest.service_id = used.service_id AND dearest.measure = measured.measure
     GROUP BY used.customer_id
)
SELECT customer_id, usual.amount
  FROM bounds
  JOIN accounts_customer AS customer ON customer.id = customer_id
  LEFT JOIN LATERAL (
       SELECT avg(bill.amount) AS amount
         FROM invoices_hourlybill AS bill
        WHERE bill.customer_id = bounds.customer_id
          AND bill.hour_id >= %(usual_since)s AND bill.hour_id < %(hour)s
       HAVING count(*) >= %(bills_to_know)s) AS usual ON true
 WHERE most > %(most_amount)s OR (most > %(unusual_from)s AND most > %(times_usual)s * abs(usual.amount))
 ORDER BY customer_id
