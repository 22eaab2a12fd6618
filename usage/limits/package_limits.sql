-- What the packages allow that decide the billing method of a customer and service at an instant, which are all of one
-- method: TPM packages their sum, Tokens packages the most that one of them states. One row; without packages of nulls.
SELECT min(period.method) AS method, count(*) AS packages, sum(package.units) AS units,
       CASE min(period.method) WHEN 'tpm_package' THEN sum(package.rpm) ELSE max(package.rpm) END AS rpm,
       CASE min(period.method) WHEN 'tpm_package' THEN sum(package.tpm)::bigint ELSE max(package.tpm) END AS tpm
  FROM pricing_methodperiod AS period
  JOIN pricing_quotapackage AS package ON package.id = period.package_id
 WHERE period.customer_id = $customer AND period.service_id = $service
   AND period.begins_at <= $instant AND period.ends_at > $instant
