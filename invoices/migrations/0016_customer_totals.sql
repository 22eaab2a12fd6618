INSERT INTO invoices_customertotal (period, begins_on, customer_id, bills, amount)
SELECT span.period, date_trunc(span.period, sealed_in_id AT TIME ZONE 'Asia/Shanghai')::date, customer_id,
       count(*), sum(amount)
  FROM invoices_hourlybill CROSS JOIN (VALUES ('day'), ('month')) AS span (period)
 GROUP BY 1, 2, 3;
