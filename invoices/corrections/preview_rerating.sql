WITH ordered AS (
    SELECT NULL::bigint AS id, %(price)s::bigint AS price_id, %(from_hour)s::timestamptz AS from_hour,
           %(until_hour)s::timestamptz AS until_hour, %(unit_price)s::numeric AS unit_price,
           %(customer)s::bigint AS customer_id
), reversals AS (
    SELECT NULL::bigint AS line_id, NULL::numeric AS quantity WHERE false
), reworked AS ($rerated_lines
), amounts AS (
    SELECT customer_id, count(*) AS lines, sum(quantity) AS quantity,
           sum(quantity * old_price * (1::numeric / unit_size)) AS charged,
           sum(quantity * new_price * (1::numeric / unit_size)) AS corrected
      FROM reworked
     WHERE quantity <> 0 AND old_price <> new_price
     GROUP BY customer_id
)
SELECT customer.code, customer.name, lines, quantity, charged, corrected, corrected - charged
  FROM amounts
  JOIN accounts_customer AS customer ON customer.id = customer_id
 ORDER BY abs(corrected - charged) DESC, customer.code
