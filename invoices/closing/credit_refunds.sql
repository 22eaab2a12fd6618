-- Ends the packages whose refund is due with this closing, and issues a credit for each: of what the hour's draws have
-- left of a Tokens package, or of what its order names of a TPM package. What has no end is cut off, never rounded up:
-- `div` is exact, where a quotient would be rounded.
WITH due AS (
    SELECT refund.package_id, refund.ends_at, refund.ordered_by, package.customer_id, package.product_name,
           customer.code, customer.name, purchase.amount AS paid, coalesce(package.tokens, purchase.quantity) AS quantity,
           coalesce(refund.left, drawn.left, package.tokens) AS "left"
      FROM invoices_packagerefund AS refund
      JOIN pricing_quotapackage AS package ON package.id = refund.package_id
      JOIN invoices_packagepurchase AS purchase ON purchase.package_id = package.id
      JOIN accounts_customer AS customer ON customer.id = package.customer_id
      LEFT JOIN LATERAL (
           SELECT draw.left FROM invoices_packagedraw AS draw
            WHERE draw.package_id = package.id ORDER BY draw.id DESC LIMIT 1) AS drawn ON true
     WHERE refund.billing_hour <= %(hour)s
       AND NOT EXISTS (SELECT FROM invoices_packagecredit AS credit WHERE credit.package_id = refund.package_id)
), ended AS (
    UPDATE pricing_quotapackage AS package
       SET ended_at = due.ends_at
      FROM due
     WHERE package.id = due.package_id
), shares AS (
    SELECT due.*, div(paid * due.left * 100000000, quantity) * 0.00000001 AS amount FROM due
)
INSERT INTO invoices_packagecredit
       (package_id, sealed_in_id, number, customer_code, customer_name, product_name, paid, quantity, "left", amount,
        credited, ends_at, ordered_by, issued_at)
SELECT package_id, %(hour)s, to_char(%(hour)s AT TIME ZONE 'UTC', '"C"YYYYMMDD-') || code || '-' ||
       (SELECT count(*) FROM invoices_packagecredit AS credit
          JOIN pricing_quotapackage AS package ON package.id = credit.package_id
         WHERE package.customer_id = shares.customer_id)
       + row_number() OVER (PARTITION BY customer_id ORDER BY package_id),
       code, name, product_name, paid, quantity, shares.left, amount, trunc(amount, 2), ends_at, ordered_by, %(now)s
  FROM shares
