SELECT verification.until_hour - interval '1 hour', verification.verified_at
  FROM invoices_verification AS verification
  LEFT JOIN invoices_hourseal AS seal ON seal.hour_id = verification.until_hour - interval '1 hour'
 WHERE seal.sha256 IS DISTINCT FROM verification.seal
 ORDER BY 1, 2
