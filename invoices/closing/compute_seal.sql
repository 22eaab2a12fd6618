-- A value is what PostgreSQL writes for it; what is null is left out.
WITH draws AS (
    SELECT draw.bill_id, string_agg(
               concat_ws('|', 'draw', draw.package_id, draw.is_return::int, draw.tokens, draw.left_before, draw.left,
                         to_char(draw.ran_out_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                         draw.ran_out_event_id, draw.ran_out_measure, draw.ran_out_quantity) || E'\n', ''
               ORDER BY draw.package_id, draw.is_return) AS text
      FROM invoices_packagedraw AS draw
      JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
     WHERE bill.sealed_in_id = %(hour)s
     GROUP BY draw.bill_id
), overruns AS (
    SELECT run.bill_id, string_agg(
               concat_ws('|', 'overrun', to_char(run.minute AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                         run.service_id, run.tokens, run.bought) || E'\n', ''
               ORDER BY run.minute, run.service_id) AS text
      FROM invoices_quotaoverrun AS run
      JOIN invoices_hourlybill AS bill ON bill.id = run.bill_id
     WHERE bill.sealed_in_id = %(hour)s
     GROUP BY run.bill_id
), bills AS (
    SELECT bill.number, sha256(convert_to(
               concat_ws('|', bill.number, bill.customer_code, bill.customer_name,
                         to_char(bill.hour_id AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                         bill.records, bill.amount,
                         to_char(bill.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')) || E'\n' ||
               string_agg(
                   concat_ws('|', to_char(line.usage_hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                             line.service_name, line.measure,
                             line.billing_item_id, line.price_id, line.price_kind, line.is_own_price::int,
                             line.unit_price, line.unit_size, line.records, line.quantity, line.amount,
                             line.correction, line.corrects_id, line.rerating_id, 'package ' || line.package_id)
                   || E'\n', ''
                   ORDER BY line.usage_hour, line.billing_item_id, line.price_id, line.id)
               || coalesce(draws.text, '') || coalesce(overruns.text, ''), 'UTF8')) AS sha256
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
      LEFT JOIN draws ON draws.bill_id = bill.id
      LEFT JOIN overruns ON overruns.bill_id = bill.id
     WHERE bill.sealed_in_id = %(hour)s
     GROUP BY bill.id, draws.text, overruns.text
), parked AS (
    SELECT customer_id, sha256(convert_to(
               concat_ws('|', customer_id, reason, records, amount,
                         to_char(parked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')) || E'\n',
               'UTF8')) AS sha256
      FROM invoices_parkedhour
     WHERE hour_id = %(hour)s
)
SELECT sha256(%(before)s
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY number COLLATE "C") FROM bills), '')
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY customer_id) FROM parked), ''))
