-- Of customers whose hour was parked no line is expected, except for their release.
WITH $consumed, $charged_lines, there AS (
    SELECT bill.customer_id, line.records, line.amount, line.measure, line.price_kind AS kind, $columns
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
     WHERE bill.hour_id = %(hour)s AND bill.sealed_in_id = %(sealed_in)s
), again AS (
    SELECT customer_id, records, amount, measure, kind, $columns
      FROM charged
     WHERE %(customers)s::bigint[] IS NOT NULL
        OR NOT EXISTS (SELECT FROM invoices_parkedhour AS parked
                        WHERE parked.customer_id = charged.customer_id AND parked.hour_id = %(hour)s)
), different AS (
    SELECT 'stored, but not made again' AS difference, * FROM (TABLE there EXCEPT ALL TABLE again) AS stored
     UNION ALL
    SELECT 'made again, but not stored', * FROM (TABLE again EXCEPT ALL TABLE there) AS made
)
SELECT difference, coalesce(customer.code, different.customer_id::text), coalesce(bill.number, ''),
       format('%%s %%s of %%s records at price %%s, %%s RMB%%s', quantity, measure, different.records,
              price_id, trim_scale(different.amount),
              CASE WHEN correction <> '' THEN ', ' || correction ELSE '' END),
       count(*) OVER ()
  FROM different
  LEFT JOIN accounts_customer AS customer ON customer.id = different.customer_id
  LEFT JOIN invoices_hourlybill AS bill
    ON bill.customer_id = different.customer_id AND bill.hour_id = %(hour)s
 ORDER BY different.customer_id, usage_hour, billing_item_id, price_id, difference
 LIMIT %(first)s
