-- The same by the values of one name of the calls' metadata, of what is summed up.
WITH items AS MATERIALIZED (
    SELECT $bucket AS bucket, bill.hour AS hour_id, bill.value, bill.service_id, item.measure,
           sum(bill.calls) AS calls, sum(bill.quantity) AS quantity, sum(bill.amount) AS amount
      FROM (SELECT *, hour AS hour_id FROM invoices_metadatausage) AS bill
      JOIN pricing_billingitem AS item ON item.id = bill.billing_item_id
     WHERE bill.customer_id = %(customer)s AND bill.name = %(name)s AND bill.hour <= %(closed)s
       AND bill.hour >= %(begins)s AND bill.hour < %(ends)s
       AND (%(services)s::bigint[] IS NULL OR bill.service_id = ANY (%(services)s::bigint[]))
     GROUP BY 1, 2, 3, 4, 5
), of_values AS (
    SELECT bucket, value, sum(calls) AS calls
      FROM (SELECT bucket, value, max(calls) AS calls FROM items GROUP BY bucket, hour_id, service_id, value) AS of_hours
     GROUP BY bucket, value
)
SELECT items.bucket, items.value, items.measure, of_values.calls::bigint AS calls,
       sum(items.quantity) AS quantity, sum(items.amount) AS amount
  FROM items JOIN of_values USING (bucket, value)
 GROUP BY items.bucket, items.value, items.measure, of_values.calls
