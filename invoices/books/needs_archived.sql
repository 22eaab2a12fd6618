-- Whether bills sealed with an hour are for records that are archived, or reverse such.
WITH billed AS MATERIALIZED (
    SELECT customer_id, hour_id AS hour FROM invoices_hourlybill WHERE sealed_in_id = %(hour)s
), reversals AS MATERIALIZED (
    SELECT customer_id, billing_hour, reverses
      FROM usage_usagerecord
     WHERE reverses IS NOT NULL AND billing_hour IN (SELECT hour FROM billed)
)
SELECT EXISTS (
       SELECT 1 FROM usage_usagearchive AS archive
         JOIN (SELECT %(hour)s::timestamptz AS hour UNION SELECT hour FROM billed) AS billing
           ON billing.hour >= archive.from_hour AND billing.hour < archive.until_hour
        WHERE archive.restored_at IS NULL)
    OR EXISTS (
       SELECT 1 FROM billed
         JOIN reversals ON reversals.billing_hour = billed.hour AND reversals.customer_id = billed.customer_id
         JOIN usage_archivedevent AS archived
           ON archived.customer_id = reversals.customer_id AND archived.event_id = reversals.reverses)
