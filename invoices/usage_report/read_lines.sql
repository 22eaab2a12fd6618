-- What a customer's bills of a span charge, by bucket, service and measure. A record is counted on the lines of each
-- item of its service, so that a service has as many calls in a bucket as its item with the most. What an offer or a
-- trial saved is the list price at the beginning of the hour of usage, the customer's own first, less what was charged.
WITH items AS MATERIALIZED (
    SELECT $bucket AS bucket, line.service_id, line.service_name, line.measure,
           sum(line.records) FILTER (WHERE line.correction = '') AS calls, max($number) AS bill,
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
     GROUP BY 1, 2, 3, 4
)
SELECT bucket, service_id, service_name, measure, coalesce(calls, 0)::bigint AS calls,
       coalesce(max(calls) OVER (PARTITION BY bucket, service_id), 0)::bigint AS calls_of_service,
       quantity, amount, saved, bill
  FROM items
 ORDER BY bucket, service_id, measure
