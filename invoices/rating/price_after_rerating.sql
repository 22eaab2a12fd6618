-- The effective price of `line`: that of the last re-rating before, else its own.
 LEFT JOIN LATERAL (
      SELECT rebilled.unit_price
        FROM invoices_chargeline AS rebilled
        JOIN invoices_hourlybill AS earlier ON earlier.id = rebilled.bill_id
       WHERE rebilled.corrects_id = line.id AND rebilled.correction = '$rebilled'
         AND (earlier.sealed_in_id, earlier.hour_id) < (%(sealed_in)s, %(hour)s)
       ORDER BY earlier.sealed_in_id DESC, earlier.hour_id DESC
       LIMIT 1) AS latest ON true
CROSS JOIN LATERAL (SELECT coalesce(latest.unit_price, line.unit_price) AS unit_price) AS counts
