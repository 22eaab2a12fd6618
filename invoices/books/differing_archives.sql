-- Archives whose hours hold records again, or no longer have the seal with which they were archived.
WITH archived AS MATERIALIZED (
    SELECT file, from_hour, until_hour, seal
      FROM usage_usagearchive
     WHERE restored_at IS NULL AND (%s::timestamptz IS NULL OR until_hour > %s)
       AND (%s::timestamptz IS NULL OR from_hour < %s)
), here AS MATERIALIZED (
    SELECT billing_hour, count(*) AS records
      FROM usage_usagerecord
     WHERE billing_hour >= (SELECT min(from_hour) FROM archived) AND billing_hour < (SELECT max(until_hour) FROM archived)
     GROUP BY billing_hour
), found AS (
    SELECT archived.file, archived.until_hour - interval '1 hour' AS hour,
           archived.seal IS NOT DISTINCT FROM seal.sha256 AS has_its_seal,
           coalesce((SELECT sum(here.records)
                       FROM here
                      WHERE here.billing_hour >= archived.from_hour AND here.billing_hour < archived.until_hour),
                    0)::bigint AS records
      FROM archived
      LEFT JOIN invoices_hourseal AS seal ON seal.hour_id = archived.until_hour - interval '1 hour'
)
SELECT file, hour, has_its_seal, records
  FROM found
 WHERE NOT has_its_seal OR records > 0
 ORDER BY hour
