-- The minutes in which the records of a billing hour used more tokens of a service than the TPM that their customer had in
-- force. Of a minute before the hour, what records on earlier bills used of it counts too. No package has less than one
-- unit, so no minute of the hour itself with fewer tokens is looked at. Billing methods change on full hours, so the TPM is
-- looked up once for each hour of usage, not for each minute.
WITH used AS (
    SELECT customer_id, service_id, date_trunc('minute', occurred_at, 'UTC') AS minute, sum($tokens) AS tokens
      FROM usage_usagerecord
     WHERE billing_hour = %(hour)s AND reverses IS NULL AND is_charged IS NOT FALSE
       AND (%(customers)s::bigint[] IS NULL OR customer_id = ANY (%(customers)s::bigint[]))
       AND EXISTS (SELECT 1 FROM pricing_methodperiod WHERE method = '$method' AND begins_at <= %(hour)s)
       AND (customer_id, service_id) IN (
           SELECT period.customer_id, period.service_id FROM pricing_methodperiod AS period
            WHERE period.method = '$method' AND period.begins_at <= %(hour)s)
     GROUP BY 1, 2, 3
    HAVING sum($tokens) > $tpm_of_unit OR date_trunc('minute', occurred_at, 'UTC') < %(hour)s
), in_force AS (
    SELECT hours.customer_id, hours.service_id, hours.hour, sum(package.tpm) AS tpm
      FROM (SELECT DISTINCT customer_id, service_id, date_trunc('hour', minute, 'UTC') AS hour FROM used) AS hours
      JOIN pricing_methodperiod AS period
        ON period.customer_id = hours.customer_id AND period.service_id = hours.service_id
       AND period.method = '$method' AND period.begins_at <= hours.hour AND period.ends_at > hours.hour
      JOIN pricing_quotapackage AS package ON package.id = period.package_id
     GROUP BY hours.customer_id, hours.service_id, hours.hour
), before AS (
    SELECT in_force.customer_id, in_force.service_id, billed.minute, sum(billed.tokens) AS tokens
      FROM in_force
     CROSS JOIN generate_series(in_force.hour, %(hour)s - interval '1 hour', interval '1 hour') AS earlier (hour)
     -- Each customer's records of an hour by the index: grouped here, PostgreSQL does not read all records for a join.
     CROSS JOIN LATERAL (
           SELECT customer_id, date_trunc('minute', occurred_at, 'UTC') AS minute, sum($tokens) AS tokens
             FROM usage_usagerecord
            WHERE billing_hour = earlier.hour AND customer_id = in_force.customer_id
              AND service_id = in_force.service_id AND reverses IS NULL AND is_charged IS NOT FALSE
              AND date_trunc('hour', occurred_at, 'UTC') = in_force.hour
            GROUP BY 1, 2) AS billed
     GROUP BY in_force.customer_id, in_force.service_id, billed.minute
)
SELECT used.customer_id, used.service_id, used.minute, used.tokens + coalesce(before.tokens, 0) AS tokens,
       in_force.tpm AS bought, coalesce(before.tokens, 0) AS before
  FROM used
  JOIN in_force ON in_force.customer_id = used.customer_id AND in_force.service_id = used.service_id
   AND in_force.hour = date_trunc('hour', used.minute, 'UTC')
  LEFT JOIN before ON before.customer_id = used.customer_id AND before.service_id = used.service_id
   AND before.minute = used.minute
 WHERE used.tokens + coalesce(before.tokens, 0) > in_force.tpm
 ORDER BY used.customer_id, used.service_id, used.minute
