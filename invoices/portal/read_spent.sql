-- What a customer's closed hours came to: by hour, day and month for each service, and the month before up to an
-- instant. Days are those of the customer's clock.
WITH billed AS MATERIALIZED (
    SELECT bill.hour_id AS hour, line.service_id, line.service_name, line.amount,
           line.price_kind = 'free_trial' AND line.unit_price = 0 AND line.package_id IS NULL AS is_free_trial
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
     WHERE bill.customer_id = %(customer)s AND bill.hour_id <= %(closed)s
       AND bill.hour_id >= least(%(month_before)s::timestamptz, %(days_since)s::timestamptz)
)
SELECT 'hour' AS span, hour AS begins, service_id, service_name, bool_and(is_free_trial), sum(amount)
  FROM billed WHERE hour >= %(hours_since)s GROUP BY hour, service_id, service_name
 UNION ALL
SELECT 'day', date_trunc('day', hour, %(zone)s) AS day, service_id, service_name, bool_and(is_free_trial), sum(amount)
  FROM billed WHERE hour >= %(days_since)s GROUP BY day, service_id, service_name
 UNION ALL
SELECT 'month', %(month)s, service_id, service_name, bool_and(is_free_trial), sum(amount)
  FROM billed WHERE hour >= %(month)s GROUP BY service_id, service_name
 UNION ALL
SELECT 'month before', %(month_before)s, 0, '', false, sum(amount)
  FROM billed WHERE hour >= %(month_before)s AND hour < %(same_instant)s
HAVING count(*) > 0
