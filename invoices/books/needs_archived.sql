-- Whether bills sealed with an hour are for records that are archived, or reverse such.
SELECT EXISTS (
       SELECT FROM usage_usagearchive AS archive
         JOIN (SELECT %(hour)s::timestamptz AS hour
                UNION SELECT hour_id FROM invoices_hourlybill WHERE sealed_in_id = %(hour)s) AS billed
           ON billed.hour >= archive.from_hour AND billed.hour < archive.until_hour
        WHERE archive.restored_at IS NULL)
    OR EXISTS (
       SELECT FROM invoices_hourlybill AS bill
         JOIN usage_usagerecord AS reversal
           ON reversal.billing_hour = bill.hour_id AND reversal.customer_id = bill.customer_id
         JOIN usage_archivedevent AS archived
           ON archived.customer_id = reversal.customer_id AND archived.event_id = reversal.reverses
        WHERE bill.sealed_in_id = %(hour)s AND reversal.reverses IS NOT NULL)
