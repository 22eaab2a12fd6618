-- The same by the values of one name of the calls' metadata, of what is summed up.
WITH items AS MATERIALIZED (
    SELECT $bucket AS bucket, bill.value, bill.service_id, bill.billing_item_id, sum(bill.calls) AS calls,
           sum(bill.quantity) AS quantity, sum(bill.amount) AS amount
      FROM (SELECT *, hour AS hour_id FROM invoices_metadatausage) AS bill
     WHERE bill.customer_id = %(customer)s AND bill.name = %(name)s AND bill.hour <= %(closed)s
       AND bill.hour >= %(begins)s AND bill.hour < %(ends)s
       AND (%(services)s::bigint[] IS NULL OR bill.service_id = ANY (%(services)s::bigint[]))
     GROUP BY 1, 2, 3, 4
), of_values AS (
    SELECT bucket, value, sum(calls) AS calls
      FROM (SELECT bucket, value, max(calls) AS calls FROM items GROUP BY bucket, service_id, value) AS of_services
     GROUP BY bucket, value
)
SELECT items.bucket, items.value, item.measure, of_values.calls::bigint AS calls,
       sum(items.quantity) AS quantity, sum(items.amount) AS amount
  FROM items
  JOIN of_values USING (bucket, value)
  JOIN pricing_billingitem AS item ON item.id = items.billing_item_id
 GROUP BY items.bucket, items.value, item.measure, of_values.calls
