SELECT archive.file, archive.until_hour - interval '1 hour' AS hour,
       archive.seal IS NOT DISTINCT FROM seal.sha256 AS has_its_seal, here.records
  FROM usage_usagearchive AS archive
  LEFT JOIN invoices_hourseal AS seal ON seal.hour_id = archive.until_hour - interval '1 hour'
 CROSS JOIN LATERAL (
       SELECT count(*) AS records FROM usage_usagerecord AS record
        WHERE record.billing_hour >= archive.from_hour AND record.billing_hour < archive.until_hour) AS here
 WHERE archive.restored_at IS NULL AND (%s::timestamptz IS NULL OR archive.until_hour > %s)
   AND (%s::timestamptz IS NULL OR archive.from_hour < %s)
   AND (seal.sha256 IS DISTINCT FROM archive.seal OR here.records > 0)
 ORDER BY hour
