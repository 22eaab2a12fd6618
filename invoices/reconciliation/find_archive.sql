-- The first archive with records of a span, or of a file whenever they occurred.
SELECT archive.file
  FROM usage_usagearchive AS archive
 WHERE archive.restored_at IS NULL
   AND (archive.until_hour > %(begin)s AND archive.from_hour < %(end)s
        OR EXISTS (SELECT FROM $table AS theirs
                     JOIN usage_archivedevent AS archived
                       ON archived.customer_id = %(customer)s AND archived.event_id = theirs.event_id
                    WHERE archived.billing_hour >= archive.from_hour
                      AND archived.billing_hour < archive.until_hour))
 ORDER BY archive.from_hour LIMIT 1
