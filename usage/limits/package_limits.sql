-- What the packages allow that decide the billing method of a customer and service at an instant, which are all of one
-- method: TPM packages their sum, Tokens packages the most that one of them states; and when the next one begins or ends.
-- One row; without packages of nulls.
SELECT min(package.method) AS method, count(package.id) AS packages, sum(package.units) AS units,
       CASE min(package.method) WHEN 'tpm_package' THEN sum(package.rpm) ELSE max(package.rpm) END AS rpm,
       CASE min(package.method) WHEN 'tpm_package' THEN sum(package.tpm)::bigint ELSE max(package.tpm) END AS tpm,
       min(CASE WHEN period.begins_at > $instant THEN period.begins_at ELSE period.ends_at END) AS instant_of_change
  FROM pricing_methodperiod AS period
  LEFT JOIN pricing_quotapackage AS package ON package.id = period.package_id AND period.begins_at <= $instant
 WHERE period.customer_id = $customer AND period.service_id = $service AND period.ends_at > $instant
