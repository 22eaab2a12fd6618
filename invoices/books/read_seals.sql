SELECT closed.hour, closed.previous_id, seal.sha256, seal.bills, seal.lines, seal.records, seal.parked,
       seal.amount, before.sha256, closed.closed_at
  FROM usage_billinghour AS closed
  LEFT JOIN invoices_hourseal AS seal ON seal.hour_id = closed.hour
  LEFT JOIN invoices_hourseal AS before ON before.hour_id = closed.previous_id
 WHERE (%s::timestamptz IS NULL OR closed.hour >= %s) AND (%s::timestamptz IS NULL OR closed.hour < %s)
 ORDER BY closed.hour
