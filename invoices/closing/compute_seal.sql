-- A value is what PostgreSQL writes for it; what is null is left out.
WITH bills AS (
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
               || coalesce((
                   SELECT string_agg(
                              concat_ws('|', 'draw', draw.package_id, draw.is_return::int, draw.tokens,
                                        draw.left_before, draw.left,
                                        to_char(draw.ran_out_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                                        draw.ran_out_event_id, draw.ran_out_measure, draw.ran_out_quantity)
                              || E'\n', '' ORDER BY draw.package_id, draw.is_return)
                     FROM invoices_packagedraw AS draw WHERE draw.bill_id = bill.id), '')
               || coalesce((
                   SELECT string_agg(
                              concat_ws('|', 'overrun',
                                        to_char(run.minute AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                                        run.service_id, run.tokens, run.bought)
                              || E'\n', '' ORDER BY run.minute, run.service_id)
                     FROM invoices_quotaoverrun AS run WHERE run.bill_id = bill.id), ''), 'UTF8')) AS sha256
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
     WHERE bill.sealed_in_id = %(hour)s
     GROUP BY bill.id
), credits AS (
    SELECT credit.number, sha256(convert_to(
               concat_ws('|', credit.number, package.number, credit.customer_code, credit.customer_name,
                         credit.product_name, credit.paid, credit.quantity, credit.left, credit.amount,
                         credit.credited, to_char(credit.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
                         credit.ordered_by,
                         to_char(credit.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')) || E'\n',
               'UTF8')) AS sha256
      FROM invoices_packagecredit AS credit
      JOIN pricing_quotapackage AS package ON package.id = credit.package_id
     WHERE credit.sealed_in_id = %(hour)s
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
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY customer_id) FROM parked), '')
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY number COLLATE "C") FROM credits), ''))
