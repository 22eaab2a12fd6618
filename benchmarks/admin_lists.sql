-- Many rows in each table that the admin lists, beside the customers, hours and bills of a year that are there.
-- How many follows from the number of customers. Triggers are off: what they would write is written here.
SET session_replication_role = replica;

CREATE TEMP TABLE numbered AS
SELECT id, code, name, row_number() OVER (ORDER BY id) AS n FROM accounts_customer;
CREATE TEMP TABLE hours AS
SELECT hour, row_number() OVER (ORDER BY hour DESC) AS n FROM usage_billinghour;
CREATE TEMP TABLE some_bills AS
SELECT id, customer_id, hour_id, row_number() OVER (ORDER BY id DESC) AS n
  FROM (SELECT * FROM invoices_hourlybill ORDER BY id DESC LIMIT 200000) AS bill;
ANALYZE numbered, hours, some_bills;

INSERT INTO accounts_user (password, is_superuser, email, name, is_active, is_staff, date_joined, role)
SELECT '!', false, 'person-' || n || '@example.com', 'Person ' || n, n % 50 > 0, false,
       now() - n * interval '1 minute', ''
  FROM numbered;
INSERT INTO accounts_member (customer_id, user_id, role)
SELECT numbered.id, person.id, 'owner'
  FROM numbered JOIN accounts_user AS person ON person.email = 'person-' || n || '@example.com';
INSERT INTO accounts_servicekey (name, public_id, secret_sha256, created_at, revoked_at, is_limited, scopes,
                                 customer_id)
SELECT 'key-' || n || '-' || k, left(md5(n || '-' || k), 16), sha256((n || '-' || k)::bytea),
       now() - n * interval '1 minute', CASE WHEN k = 2 THEN now() END, k = 1, ARRAY['usage:write'],
       CASE WHEN k = 1 THEN id END
  FROM numbered CROSS JOIN generate_series(1, 2) AS k;
INSERT INTO accounts_servicekey_customers (servicekey_id, customer_id)
SELECT id, customer_id FROM accounts_servicekey WHERE customer_id IS NOT NULL;
INSERT INTO accounts_auditentry (at, transaction, by, reason, deed, "table", row, after, before)
SELECT now() - (100 * count - n) * interval '30 seconds', n, 'person-' || n % 100 || '@example.com', 'As agreed.',
       CASE n % 10 WHEN 0 THEN 'added' ELSE 'changed' END,
       (ARRAY['pricing_price', 'accounts_customer', 'accounts_member'])[1 + n % 3], (n % count + 1)::text,
       jsonb_build_object('id', n % count, 'customer_id', n % count, 'kind', 'list_price', 'name', n),
       CASE WHEN n % 10 > 0 THEN jsonb_build_object('id', n % count, 'customer_id', n % count, 'name', n - 1) END
  FROM (SELECT count(*)::bigint AS count FROM numbered) AS customers, generate_series(1, 100 * count) AS n
 ORDER BY n;

INSERT INTO pricing_servicegroup (family, name, description, position)
SELECT 'Family ' || n / 5, 'Group ' || n, '', 100 + n FROM generate_series(1, 20) AS n;
INSERT INTO pricing_service (name, position, group_id)
SELECT 'service-' || substr(service_group.name, 7) || '-' || n, n, service_group.id
  FROM pricing_servicegroup AS service_group CROSS JOIN generate_series(1, 10) AS n
 WHERE service_group.name LIKE 'Group %';
INSERT INTO pricing_servicealias (alias, service_id)
SELECT 'alias-' || n || '-' || service.name, service.id
  FROM pricing_service AS service CROSS JOIN generate_series(1, 10) AS n;
INSERT INTO pricing_billingitem (measure, service_id)
SELECT measure, service.id
  FROM pricing_service AS service CROSS JOIN unnest(ARRAY['input_tokens', 'output_tokens']) AS measure
 WHERE service.name LIKE 'service-%';
INSERT INTO pricing_price (kind, unit_price, unit_size, begins_at, ends_at, billing_item_id, customer_id)
SELECT 'list_price', 0.01, 1000, '2026-01-01', NULL, item.id, NULL
  FROM pricing_billingitem AS item JOIN pricing_service AS service ON service.id = item.service_id
 WHERE service.name LIKE 'service-%';
INSERT INTO pricing_price (kind, unit_price, unit_size, begins_at, ends_at, billing_item_id, customer_id)
SELECT 'list_price', 0.01, 1000, '2026-01-01'::timestamptz + k * interval '90 days',
       '2026-01-01'::timestamptz + (k + 1) * interval '90 days', item.id, numbered.id
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count FROM pricing_billingitem) AS item
  JOIN numbered ON numbered.n % item.count = item.n - 1
 CROSS JOIN generate_series(0, 3) AS k;
INSERT INTO pricing_callspecification (rpm, tpm, begins_at, ends_at, customer_id, service_id)
SELECT 60, 60000, '2026-01-01'::timestamptz + k * interval '90 days',
       CASE WHEN k = 0 THEN '2026-01-01'::timestamptz + interval '90 days' END, numbered.id, service.id
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count FROM pricing_service) AS service
  JOIN numbered ON numbered.n % service.count = service.n - 1
 CROSS JOIN generate_series(0, 1) AS k;
INSERT INTO pricing_proposal (deed, rows, reason, proposed_by, proposed_at, decision, decided_by, decided_at)
SELECT 'Change the price of ' || code, '[]', 'As agreed.', 'person-1@example.com', now() - n * interval '50 minutes',
       CASE WHEN n > 50 THEN 'approved' ELSE '' END, CASE WHEN n > 50 THEN 'person-2@example.com' ELSE '' END,
       CASE WHEN n > 50 THEN now() END
  FROM numbered;

INSERT INTO pricing_packageproduct (name, method)
SELECT 'Package ' || n, 'tokens_package' FROM generate_series(1, 50) AS n;
INSERT INTO pricing_packageterms (tokens, validity, validity_unit, list_price, begins_at, ends_at, product_id)
SELECT 1000000, 1, 'month', 100, '2026-01-01'::timestamptz + k * interval '30 days',
       '2026-01-01'::timestamptz + (k + 1) * interval '30 days', product.id
  FROM pricing_packageproduct AS product CROSS JOIN generate_series(0, 11) AS k
 WHERE product.name LIKE 'Package %';
INSERT INTO pricing_packageterms_services (packageterms_id, service_id)
SELECT terms.id, service.id
  FROM pricing_packageterms AS terms JOIN pricing_service AS service ON service.id % 50 = terms.product_id % 50;
INSERT INTO pricing_quotapackage (number, product_name, method, tokens, bought_at, begins_at, expires_at, ended_at,
                                  customer_id, terms_id)
SELECT code || '-package-' || k, 'Package ' || n % 50 + 1, 'tokens_package', 1000000, begins, begins,
       begins + interval '30 days', CASE WHEN k = 4 THEN begins + interval '10 days' END, numbered.id,
       (SELECT min(id) FROM pricing_packageterms)
  FROM numbered CROSS JOIN generate_series(0, 4) AS k,
       LATERAL (SELECT date_trunc('hour', now()) - k * interval '60 days' - n % 50 * interval '1 day' AS begins) AS span;
INSERT INTO invoices_packagepurchase (package_id, order_id, customer_code, customer_name, services, list_price, price,
                                      quantity, amount, bought_at, bought_by)
SELECT package.id, gen_random_uuid(), numbered.code, numbered.name, 'service-1-1', 100, 100, 1, 100, package.bought_at,
       'person-1@example.com'
  FROM pricing_quotapackage AS package JOIN numbered ON numbered.id = package.customer_id;
INSERT INTO invoices_packagedraw (is_return, tokens, left_before, "left", ran_out_measure, ran_out_quantity, bill_id,
                                  package_id)
SELECT false, 250000, 1000000 - 250000 * k, 750000 - 250000 * k, '', 0, bill.id, package.id
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM pricing_quotapackage) AS package
 CROSS JOIN generate_series(0, 3) AS k
  JOIN some_bills AS bill ON bill.n = (4 * package.n + k) % (SELECT count(*) FROM some_bills) + 1
 WHERE k < 3 OR package.n % 4 = 0;
INSERT INTO invoices_packagecredit (package_id, sealed_in_id, number, customer_code, customer_name, product_name, paid,
                                    quantity, "left", amount, credited, ends_at, ordered_by, issued_at)
SELECT package.id, (SELECT max(hour) FROM hours), package.number || '-credit', numbered.code, numbered.name,
       package.product_name, 100, 1000000, 500000, 50, 50, package.ended_at, 'person-1@example.com', package.ended_at
  FROM pricing_quotapackage AS package JOIN numbered ON numbered.id = package.customer_id
 WHERE package.ended_at IS NOT NULL;
INSERT INTO invoices_quotaoverrun (minute, tokens, bought, bill_id, service_id)
SELECT bill.hour_id + k * interval '1 minute', 20000, 10000, bill.id, (SELECT min(id) FROM pricing_service)
  FROM some_bills AS bill CROSS JOIN generate_series(0, 4) AS k WHERE bill.n % 10 = 0;

INSERT INTO invoices_openhouralarm (hour, reason, amount, raised_at, mail_after, mailed_at, customer_id)
SELECT hours.hour, 'Above 100,000 RMB.', 100000, hours.hour, hours.hour, hours.hour, numbered.id
  FROM hours JOIN numbered ON numbered.n % 2000 = hours.n % 2000;
INSERT INTO invoices_parkedhour (reason, records, amount, parked_at, customer_id, hour_id)
SELECT 'Above 100,000 RMB.', 100, 100000, hour_id + interval '65 minutes', customer_id, hour_id
  FROM some_bills WHERE n % 100 = 1;
INSERT INTO invoices_release (reason, released_by, released_at, billing_hour, parked_id)
SELECT 'As agreed.', 'person-1@example.com', parked_at, hour_id + interval '1 hour', id FROM invoices_parkedhour;
INSERT INTO invoices_parkedhour (reason, records, amount, parked_at, customer_id, hour_id)
SELECT 'Above 100,000 RMB.', 100, 100000, hour + interval '65 minutes', 1000000000 + n, hour FROM hours WHERE n <= 200;
INSERT INTO invoices_rerating (from_hour, until_hour, unit_price, reason, ordered_by, ordered_at, billing_hour, price_id)
SELECT hour - interval '2 hours', hour - interval '1 hour', 0.02, 'As agreed.', 'person-1@example.com', hour, hour,
       price.id
  FROM hours CROSS JOIN (SELECT id FROM pricing_price ORDER BY id LIMIT 1) AS price
 WHERE n <= 1000;
INSERT INTO invoices_verification (verified_at, from_hour, until_hour, took, hours, records, bills, lines, findings,
                                   first_findings)
SELECT hour + interval '2 hours', hour, hour + interval '1 hour', interval '3 s', 1, 1000000, 10000, 50000, 0, '[]'
  FROM hours;

INSERT INTO usage_refusedusage (hour, reason, requests, records, last_at, latest, customer_id, key_id)
SELECT hours.hour, (ARRAY['unknown_service', 'unknown_customer', 'too_old'])[1 + hours.n % 3], 10, 1000,
       hours.hour + interval '50 minutes', '[]', service_key.customer_id, service_key.id
  FROM hours CROSS JOIN generate_series(1, 50) AS k
  JOIN (SELECT id, customer_id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count
          FROM accounts_servicekey) AS service_key
    ON service_key.n = (50 * hours.n + k) % count + 1;
INSERT INTO usage_quarantinedusage (received_at, digest, event_id, customer_code, service_name, occurred_at, quantities,
                                    outcome, metadata, sent, field, problem, reason, state, decided_at, decided_by,
                                    decision, key_id)
SELECT now() - n * interval '2 minutes', md5(n::text), 'event-' || n, 'customer-' || n % 10000, 'service-' || n % 10,
       now() - n * interval '2 minutes', '{"input_tokens": 7}', '', '{}', '{}', 'service', 'There is no such service.',
       'unknown_service', CASE WHEN n > 1000 THEN 'stored' ELSE 'waiting' END, CASE WHEN n > 1000 THEN now() END,
       CASE WHEN n > 1000 THEN 'person-1@example.com' ELSE '' END, '', service_key.id
  FROM (SELECT 20 * count(*) AS most FROM numbered) AS customers CROSS JOIN LATERAL generate_series(1, most) AS n
  JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM accounts_servicekey) AS service_key
    ON place = n % 20 + 1;
