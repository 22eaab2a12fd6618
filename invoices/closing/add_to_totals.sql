-- Adds the bills of a closing to the totals of their customers, of the day and of the month.
INSERT INTO invoices_customertotal AS total (period, begins_on, customer_id, bills, amount)
SELECT span.period, date_trunc(span.period, %(local_hour)s::timestamp)::date, customer_id, bills, amount
  FROM (SELECT customer_id, count(*) AS bills, sum(amount) AS amount
          FROM invoices_hourlybill WHERE sealed_in_id = %(hour)s GROUP BY customer_id) AS billed
 CROSS JOIN (VALUES ('day'), ('month')) AS span (period)
    ON CONFLICT (period, begins_on, customer_id)
    DO UPDATE SET bills = total.bills + excluded.bills, amount = total.amount + excluded.amount
