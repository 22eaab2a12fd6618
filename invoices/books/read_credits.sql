SELECT credit.number, package.number, credit.customer_code, credit.customer_name, credit.product_name, credit.paid,
       credit.quantity, credit.left, credit.amount, credit.credited, credit.ends_at, credit.ordered_by, credit.issued_at
  FROM invoices_packagecredit AS credit
  JOIN pricing_quotapackage AS package ON package.id = credit.package_id
 WHERE credit.sealed_in_id = %s
