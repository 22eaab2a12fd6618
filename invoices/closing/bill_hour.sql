-- Charges an hour and checks each customer's part of it; parks or bills the part, and returns the totals.
-- `quantity` is one number for all quantities of some lines: they are compared before and after they are
-- written.
WITH $consumed, $charged_lines, by_customer AS (
    SELECT customer_id, sum(records)::bigint AS records, $sums
      FROM used GROUP BY customer_id
), billable AS (
    SELECT customer_id, sum(records)::bigint AS records
      FROM used WHERE EXISTS (SELECT FROM priced WHERE priced.place = used.place AND price_id IS NOT NULL)
     GROUP BY customer_id
), owing AS (
    SELECT customer_id, count(*) AS lines, sum(amount) AS amount, sum(quantity) AS quantity,
           bool_or(correction <> '$none') AS corrects, $billed
      FROM charged GROUP BY customer_id
), judged AS MATERIALIZED (
    SELECT customer_id, customer.code, customer.name, coalesce(consumed.records, 0) AS records,
           coalesce(owed.amount, 0) AS amount, coalesce(owed.lines, 0) AS lines,
           coalesce(owed.quantity, 0) AS quantity,
           CASE
           WHEN customer.id IS NULL THEN 'There is no such customer.'
           WHEN (owed.corrects OR EXISTS (SELECT FROM reversed WHERE reversed.customer_id = customer.id))
            AND EXISTS (SELECT FROM invoices_parkedhour AS parked
                         WHERE parked.customer_id = customer.id AND parked.hour_id < %(hour)s
                           AND NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                                            WHERE bill.customer_id = parked.customer_id
                                              AND bill.hour_id = parked.hour_id))
           THEN 'It corrects what was charged before, and an earlier hour of this customer is still parked.'
           $differs
           WHEN coalesce(consumed.records, 0) <> coalesce(billable.records, 0)
           THEN format('Records: %%s consumed, %%s billed.', consumed.records, coalesce(billable.records, 0))
           WHEN NOT %(bounds)s THEN NULL
           WHEN owed.lines > %(most_lines)s
           THEN format('%%s charge lines are more than %%s.', owed.lines, %(most_lines)s)
           WHEN abs(owed.amount) > %(most_amount)s
           THEN format('%%s RMB in an hour is more than %%s RMB.', trim_scale(owed.amount), %(most_amount)s)
           WHEN overrun.share > %(most_overrun)s
           THEN format('The tokens beyond the TPM that was bought are %%s %%%% of it; more than %%s %%%%.',
                       round(100 * overrun.share), round(100 * %(most_overrun)s))
           WHEN abs(owed.amount) > %(unusual_from)s AND abs(owed.amount) > %(times_usual)s * abs(usual.amount)
           THEN format('%%s RMB is more than %%s times the usual %%s RMB an hour of this customer.',
                       trim_scale(owed.amount), %(times_usual)s, round(usual.amount, 2))
           END AS reason
      FROM by_customer AS consumed
      FULL JOIN owing AS owed USING (customer_id)
      LEFT JOIN billable USING (customer_id)
      LEFT JOIN accounts_customer AS customer ON customer.id = customer_id
      LEFT JOIN (
           SELECT customer_id, max(share) AS share
             FROM (SELECT customer_id, sum(tokens - greatest(bought, before)) / (60 * max(bought)) AS share
                     FROM overruns GROUP BY customer_id, service_id) AS each
            GROUP BY customer_id) AS overrun USING (customer_id)
      LEFT JOIN LATERAL (
           SELECT avg(bill.amount) AS amount
             FROM invoices_hourlybill AS bill
            WHERE %(bounds)s AND abs(owed.amount) > %(unusual_from)s AND bill.customer_id = customer.id
              AND bill.hour_id >= %(usual_since)s AND bill.hour_id < %(hour)s
           HAVING count(*) >= $bills_to_know_what_is_usual) AS usual ON true
), parked AS (
    INSERT INTO invoices_parkedhour (customer_id, hour_id, reason, records, amount, parked_at)
    SELECT customer_id, %(hour)s, reason, records, amount, %(now)s FROM judged WHERE reason IS NOT NULL
        ON CONFLICT DO NOTHING
), bills AS (
    INSERT INTO invoices_hourlybill
           (number, customer_id, hour_id, sealed_in_id, customer_code, customer_name, records, amount,
            issued_at)
    SELECT to_char(%(hour)s AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24"Z-"') || code, customer_id,
           %(hour)s, %(sealed_in)s, code, name, records, amount, %(now)s
      FROM judged WHERE reason IS NULL
 RETURNING id, customer_id, records, amount
), lines AS (
    INSERT INTO invoices_chargeline
           (bill_id, billing_item_id, price_id, service_id, usage_hour, service_name, measure, price_kind,
            is_own_price, unit_price, unit_size, records, quantity, amount, correction, corrects_id,
            rerating_id, package_id)
    SELECT bills.id, billing_item_id, price_id, service_id, usage_hour, service.name, measure, kind,
           is_own_price, unit_price, unit_size, charged.records, quantity, charged.amount, correction,
           corrects_id, rerating_id, package_id
      FROM charged
      JOIN bills USING (customer_id)
      JOIN pricing_service AS service ON service.id = charged.service_id
 RETURNING quantity, amount
), stated_overruns AS (
    INSERT INTO invoices_quotaoverrun (bill_id, service_id, minute, tokens, bought)
    SELECT bills.id, service_id, minute, tokens, bought FROM overruns JOIN bills USING (customer_id)
), waiting AS (
    SELECT count(*) AS customers, coalesce(sum(records), 0)::bigint AS records,
           coalesce(sum(lines), 0)::bigint AS lines, coalesce(sum(quantity), 0) AS quantity
      FROM judged WHERE reason IS NOT NULL
), billed AS (
    SELECT count(*) AS bills, coalesce(sum(records), 0)::bigint AS records, coalesce(sum(amount), 0) AS amount
      FROM bills
), written AS (
    SELECT count(*) AS lines, coalesce(sum(quantity), 0) AS quantity, coalesce(sum(amount), 0) AS amount
      FROM lines
)
SELECT billed.bills, written.lines, billed.records, billed.amount, waiting.customers AS parked,
       (SELECT coalesce(sum(records), 0)::bigint FROM used) AS records_there,
       billed.records + waiting.records AS records_here,
       (SELECT count(*) FROM charged) AS lines_there, written.lines + waiting.lines AS lines_here,
       (SELECT coalesce(sum(quantity), 0) FROM charged) AS quantity_there,
       written.quantity + waiting.quantity AS quantity_here,
       billed.amount AS amount_there, written.amount AS amount_here
  FROM billed, written, waiting
