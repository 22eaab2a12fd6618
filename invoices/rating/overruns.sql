-- The minutes in which the records of a billing hour used more tokens of a service than the TPM that their customer had in
-- force. No package has less than one unit, so no minute with fewer tokens is looked at. Billing methods change on full
-- hours, so the TPM is looked up once for each hour of usage, not for each minute.
WITH used AS (
    SELECT customer_id, service_id, date_trunc('minute', occurred_at, 'UTC') AS minute, sum($tokens) AS tokens
      FROM usage_usagerecord
     WHERE billing_hour = %(hour)s AND reverses IS NULL AND is_charged IS NOT FALSE
       AND (%(customers)s::bigint[] IS NULL OR customer_id = ANY (%(customers)s::bigint[]))
       AND (customer_id, service_id) IN (
           SELECT period.customer_id, period.service_id FROM pricing_methodperiod AS period
            WHERE period.method = '$method' AND period.begins_at <= %(hour)s)
     GROUP BY 1, 2, 3
    HAVING sum($tokens) > $tpm_of_unit
), in_force AS (
    SELECT hours.customer_id, hours.service_id, hours.hour, sum(package.tpm) AS tpm
      FROM (SELECT DISTINCT customer_id, service_id, date_trunc('hour', minute, 'UTC') AS hour FROM used) AS hours
      JOIN pricing_methodperiod AS period
        ON period.customer_id = hours.customer_id AND period.service_id = hours.service_id
       AND period.method = '$method' AND period.begins_at <= hours.hour AND period.ends_at > hours.hour
      JOIN pricing_quotapackage AS package ON package.id = period.package_id
     GROUP BY hours.customer_id, hours.service_id, hours.hour
)
SELECT used.customer_id, used.service_id, used.minute, used.tokens, in_force.tpm AS bought
  FROM used
  JOIN in_force ON in_force.customer_id = used.customer_id AND in_force.service_id = used.service_id
   AND in_force.hour = date_trunc('hour', used.minute, 'UTC')
 WHERE used.tokens > in_force.tpm
 ORDER BY used.customer_id, used.service_id, used.minute
