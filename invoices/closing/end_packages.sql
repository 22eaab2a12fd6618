-- From the next hour on the method of what these bills used up is Tokens Postpaid.
UPDATE pricing_methodperiod AS period
   SET ends_at = %(sealed_in)s::timestamptz + interval '1 hour'
  FROM invoices_packagedraw AS draw
  JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
 WHERE bill.sealed_in_id = %(sealed_in)s AND bill.hour_id = %(hour)s AND draw.package_id = period.package_id
   AND NOT draw.is_return AND (draw.left = 0 OR draw.ran_out_at IS NOT NULL)
   AND period.ends_at > %(sealed_in)s::timestamptz + interval '1 hour'
   AND period.begins_at <= %(sealed_in)s
