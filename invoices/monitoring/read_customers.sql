-- The customers who were billed most in a month, and those whose last 24 closed hours came to far more than their usual
-- day. The totals of the days that these hours are in are an upper bound of them, so only the customers with the largest
-- bounds are looked at closely.
WITH canaries AS (
    SELECT id FROM accounts_customer WHERE code = ANY(%(canaries)s::text[])
), bounds AS (
    SELECT customer_id, coalesce(sum(amount) FILTER (WHERE begins_on >= %(first)s), 0) AS most,
           coalesce(sum(amount) FILTER (WHERE begins_on < %(first)s), 0) / %(usual_days)s AS usual
      FROM invoices_customertotal
     WHERE period = 'day' AND begins_on >= %(usual_from)s AND customer_id NOT IN (SELECT id FROM canaries)
     GROUP BY customer_id
), possible AS MATERIALIZED (
    SELECT customer_id, usual
      FROM bounds WHERE most > %(times)s * usual AND most - usual >= %(least)s
     ORDER BY most - usual DESC LIMIT 200
), top AS (
    SELECT customer_id, amount
      FROM invoices_customertotal
     WHERE period = 'month' AND begins_on = %(month)s AND customer_id NOT IN (SELECT id FROM canaries)
     ORDER BY amount DESC, customer_id LIMIT %(top)s
), rises AS (
    SELECT possible.customer_id, last.amount, round(usual, 2) AS usual
      FROM possible
     CROSS JOIN LATERAL (
           SELECT sum(bill.amount) AS amount
             FROM invoices_hourlybill AS bill
            WHERE bill.customer_id = possible.customer_id AND bill.hour_id >= %(since)s) AS last
     WHERE last.amount > %(times)s * usual AND last.amount - usual >= %(least)s
     ORDER BY last.amount - usual DESC, possible.customer_id
     LIMIT %(rises)s
)
SELECT customer.id, customer.code, customer.name, found.amount, found.usual
  FROM (SELECT customer_id, amount, NULL AS usual FROM top UNION ALL SELECT customer_id, amount, usual FROM rises) AS found
  JOIN accounts_customer AS customer ON customer.id = found.customer_id
 ORDER BY found.usual IS NOT NULL, found.amount - coalesce(found.usual, 0) DESC, found.customer_id
