-- The first reason why the records of a span are still needed, if there is one.
WITH waiting AS (
    SELECT 1 AS place, parked.hour_id AS hour
      FROM invoices_parkedhour AS parked
     WHERE parked.hour_id >= %(from_hour)s AND parked.hour_id < %(until_hour)s
       AND NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                        WHERE bill.customer_id = parked.customer_id AND bill.hour_id = parked.hour_id)
     UNION ALL
    SELECT 2, bill.hour_id
      FROM invoices_hourlybill AS bill
     WHERE bill.hour_id >= %(from_hour)s AND bill.hour_id < %(until_hour)s
       AND NOT EXISTS (SELECT FROM invoices_metadatasum AS summed WHERE summed.hour_id = bill.sealed_in_id)
     UNION ALL
    SELECT 3, reversal.billing_hour
      FROM usage_usagerecord AS reversal
      JOIN usage_usagerecord AS original
        ON original.customer_id = reversal.customer_id AND original.event_id = reversal.reverses
     WHERE reversal.reverses IS NOT NULL AND reversal.billing_hour > %(from_hour)s
       AND original.billing_hour >= %(from_hour)s AND original.billing_hour < %(until_hour)s
       AND CASE WHEN reversal.is_charged IS FALSE
                THEN reversal.billing_hour > %(last_closed)s
                ELSE NOT EXISTS (
                     SELECT FROM invoices_hourlybill AS bill
                       JOIN invoices_metadatasum AS summed ON summed.hour_id = bill.sealed_in_id
                      WHERE bill.customer_id = reversal.customer_id AND bill.hour_id = reversal.billing_hour) END
)
SELECT place, hour FROM waiting ORDER BY place, hour LIMIT 1
