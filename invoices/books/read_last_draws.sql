SELECT DISTINCT ON (draw.package_id) $draw
  FROM pricing_quotapackage AS package
  JOIN invoices_packagedraw AS draw ON draw.package_id = package.id
  JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
 WHERE package.customer_id = %s AND (bill.sealed_in_id, bill.hour_id) < (%s, %s)
 ORDER BY draw.package_id, bill.sealed_in_id DESC, bill.hour_id DESC, draw.is_return, draw.id DESC
