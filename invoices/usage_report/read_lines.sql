-- What a customer's bills of a span charge, by bucket, service and measure. A record is counted on the lines of each
-- item of its service, so that a service has as many calls on a bill as its item with the most. What an offer or a
-- trial saved is the list price at the beginning of the hour of usage, the customer's own first, less what was charged.
WITH items AS MATERIALIZED (
    SELECT $bucket AS bucket, bill.id AS bill_id, bill.number, line.service_id, line.service_name, line.measure,
           sum(line.records) FILTER (WHERE line.correction = '') AS calls,
           sum(line.quantity) AS quantity, sum(line.amount) AS amount,
           sum(line.quantity * coalesce(own.unit_price, listed.unit_price)
               * (1::numeric / coalesce(own.unit_size, listed.unit_size)) - line.amount) AS saved
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
      LEFT JOIN pricing_price AS own
        ON line.price_kind <> 'list_price' AND line.package_id IS NULL AND own.billing_item_id = line.billing_item_id
       AND own.kind = 'list_price' AND own.customer_id = bill.customer_id
       AND own.begins_at <= line.usage_hour AND (own.ends_at IS NULL OR own.ends_at > line.usage_hour)
      LEFT JOIN pricing_price AS listed
        ON line.price_kind <> 'list_price' AND line.package_id IS NULL AND listed.billing_item_id = line.billing_item_id
       AND listed.kind = 'list_price' AND listed.customer_id IS NULL
       AND listed.begins_at <= line.usage_hour AND (listed.ends_at IS NULL OR listed.ends_at > line.usage_hour)
     WHERE bill.customer_id = %(customer)s AND bill.hour_id <= %(closed)s
       AND bill.hour_id >= %(begins)s AND bill.hour_id < %(ends)s
       AND (%(services)s::bigint[] IS NULL OR line.service_id = ANY (%(services)s::bigint[]))
     GROUP BY 1, 2, 3, 4, 5, 6
), of_services AS (
    SELECT bucket, service_id, sum(calls) AS calls
      FROM (SELECT bucket, service_id, max(calls) AS calls FROM items GROUP BY bucket, bill_id, service_id) AS of_bills
     GROUP BY bucket, service_id
)
SELECT items.bucket, items.service_id, items.service_name, items.measure, coalesce(sum(items.calls), 0)::bigint AS calls,
       coalesce(of_services.calls, 0)::bigint AS calls_of_service, sum(items.quantity) AS quantity,
       sum(items.amount) AS amount, sum(items.saved) AS saved, max(items.number) AS bill
  FROM items JOIN of_services USING (bucket, service_id)
 GROUP BY items.bucket, items.service_id, items.service_name, items.measure, of_services.calls
 ORDER BY items.bucket, items.service_id, items.measure
