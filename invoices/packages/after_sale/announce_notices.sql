-- The events of the notices that were written now; those about a renewal have none.
SELECT package.customer_id, event.kind, package.number || ' ' || notice.kind AS key,
       jsonb_strip_nulls(jsonb_build_object(
           'customer', customer.code, 'package', package.number, 'product', package.product_name,
           'used_percent', event.used_percent, 'days_left', event.days_left,
           'expires_at', to_char(package.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) AS payload
  FROM invoices_packagenotice AS notice
  JOIN (VALUES ('used_80', 'package.low', 80, NULL::integer),
               ('used_100', 'package.low', 100, NULL),
               ('expires_7', 'package.expiring', NULL, 7),
               ('expires_3', 'package.expiring', NULL, 3),
               ('expires_1', 'package.expiring', NULL, 1))
       AS event (notice, kind, used_percent, days_left) ON event.notice = notice.kind
  JOIN pricing_quotapackage AS package ON package.id = notice.package_id
  JOIN accounts_customer AS customer ON customer.id = package.customer_id
 WHERE notice.created_at = %(now)s
