-- Ends the packages that the bills of this closing used up: their method is in force to the end of this hour.
WITH used_up AS (
    UPDATE pricing_quotapackage AS package
       SET ended_at = least(%(sealed_in)s::timestamptz + interval '1 hour', expires_at), ending = 'used_up'
      FROM invoices_packagedraw AS draw
      JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
     WHERE bill.sealed_in_id = %(sealed_in)s AND bill.hour_id = %(hour)s AND draw.package_id = package.id
       AND NOT draw.is_return AND (draw.left = 0 OR draw.ran_out_at IS NOT NULL)
 RETURNING package.id, package.ended_at
)
UPDATE pricing_methodperiod AS period
   SET ends_at = used_up.ended_at
  FROM used_up
 WHERE period.package_id = used_up.id AND period.ends_at > used_up.ended_at
   AND period.begins_at < used_up.ended_at
