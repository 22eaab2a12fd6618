SELECT package.number, package.method, package.tokens, package.units, package.begins_at, package.expires_at,
       terms.tokens, terms.validity, terms.validity_unit, terms.list_price, terms.offer_price, purchase.list_price,
       purchase.price, purchase.quantity, purchase.amount
  FROM pricing_quotapackage AS package
  JOIN pricing_packageterms AS terms ON terms.id = package.terms_id
  LEFT JOIN invoices_packagepurchase AS purchase ON purchase.package_id = package.id
 ORDER BY package.id
