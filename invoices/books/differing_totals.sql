-- Customers' totals that are wrong: of the days from one to another those that are not the sum of the bills, of
-- the months that these days are in those that are not the sum of their days.
WITH issued AS MATERIALIZED (
    SELECT (sealed_in_id AT TIME ZONE 'Asia/Shanghai')::date AS begins_on, customer_id, count(*) AS bills,
           sum(amount) AS amount
      FROM invoices_hourlybill
     WHERE sealed_in_id >= %s::date::timestamp AT TIME ZONE 'Asia/Shanghai'
       AND sealed_in_id < (%s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
     GROUP BY 1, 2
), of_days AS (
    SELECT begins_on, customer_id, bills, amount
      FROM invoices_customertotal WHERE period = 'day' AND begins_on BETWEEN %s AND %s
), in_months AS MATERIALIZED (
    SELECT date_trunc('month', begins_on)::date AS begins_on, customer_id, sum(bills) AS bills,
           sum(amount) AS amount
      FROM invoices_customertotal
     WHERE period = 'day' AND begins_on >= date_trunc('month', %s::date)
       AND begins_on < date_trunc('month', %s::date) + interval '1 month'
     GROUP BY 1, 2
), of_months AS (
    SELECT begins_on, customer_id, bills, amount
      FROM invoices_customertotal
     WHERE period = 'month' AND begins_on BETWEEN date_trunc('month', %s::date) AND %s
)
SELECT 'day', begins_on, customer_id, coalesce(kept.amount, 0), coalesce(due.amount, 0)
  FROM of_days AS kept FULL JOIN issued AS due USING (begins_on, customer_id)
 WHERE (kept.bills, kept.amount) IS DISTINCT FROM (due.bills, due.amount)
 UNION ALL
SELECT 'month', begins_on, customer_id, coalesce(kept.amount, 0), coalesce(due.amount, 0)
  FROM of_months AS kept FULL JOIN in_months AS due USING (begins_on, customer_id)
 WHERE (kept.bills, kept.amount) IS DISTINCT FROM (due.bills, due.amount)
 ORDER BY 1, 2, 3
