-- For each customer a year of statements with their payments, and what else stands on the account; budgets and webhooks.
-- Triggers are off, as where the rest is made.
SET session_replication_role = replica;

CREATE TEMP TABLE account AS
SELECT id, code, name, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count FROM accounts_customer;

-- By month, then customer: sequences without a gap.
INSERT INTO invoices_statement (sequence, previous_id, customer_id, month, time_zone, begins_at, ends_at, customer_code,
                                customer_name, buyer_name, buyer_tax_id, buyer_address, buyer_email, seller_name,
                                seller_tax_id, seller_address, seller_email, bills, usage_amount, purchases_amount,
                                credits_amount, adjustments_amount, amount, payable, tax_rate, net, tax, issued_at,
                                issued_by, reason)
SELECT sequence, nullif(sequence - 1, 0), id, begins_at::date, 'UTC', begins_at, begins_at + interval '1 month', code,
       name, name, '', '', '', 'SenseNova', '', '', '', 700, 100.001, 0, 0, 0, 100.001, 100, 0.06, 94.34, 5.66,
       begins_at + interval '1 month 1 day', '', ''
  FROM (SELECT account.*, (12 - m) * count + n AS sequence,
               date_trunc('month', now()) - m * interval '1 month' AS begins_at
          FROM account CROSS JOIN generate_series(1, 12) AS m) AS statement;
INSERT INTO invoices_accounttransaction (customer_id, kind, key, at, value_date, reference, reason, by, statement_id)
SELECT customer_id, 'statement', number, issued_at, issued_at::date, number, '', '', sequence
  FROM invoices_statement ORDER BY sequence;
INSERT INTO invoices_accounttransaction (customer_id, kind, key, at, value_date, reference, reason, by)
SELECT customer_id, 'payment', 'payment-' || sequence, issued_at + interval '9 days', issued_at::date + 9,
       'Transfer ' || sequence, '', 'person-1@example.com'
  FROM invoices_statement ORDER BY sequence;
INSERT INTO invoices_accountentry (transaction_id, account, amount)
SELECT booked.id, side.account, CASE booked.kind WHEN 'payment' THEN -side.amount ELSE side.amount END
  FROM invoices_accounttransaction AS booked,
       LATERAL (VALUES ('receivable', 100),
                       (CASE booked.kind WHEN 'payment' THEN 'bank' ELSE 'sales' END, -100)) AS side (account, amount);
INSERT INTO invoices_adjustment (customer_id, key, kind, cause, amount, charged, creditable, is_beyond_charges, reason,
                                 begins_at, ends_at, proposed_by, proposed_at, decision, decided_by, decided_at)
SELECT id, 'adjustment-' || id || '-' || k, 'credit', 'goodwill', 5, 100, 100, false, 'As agreed.',
       now() - k * interval '40 days', now() - k * interval '39 days', 'person-1@example.com', now() - k * interval '38 days',
       CASE WHEN n > 50 THEN 'approved' ELSE '' END, CASE WHEN n > 50 THEN 'person-2@example.com' ELSE '' END,
       CASE WHEN n > 50 THEN now() - k * interval '37 days' END
  FROM account CROSS JOIN generate_series(1, 2) AS k;
INSERT INTO invoices_bankimport (file_name, file_digest, rows, payments, amount, by, at)
SELECT 'account-' || n || '.csv', md5(n::text) || md5(n::text), 100, 90, 9000, 'person-1@example.com',
       now() - n * interval '8 hours'
  FROM generate_series(1, 1000) AS n;
INSERT INTO invoices_onlinepayment (order_id, customer_id, amount, provider, provider_id, checkout_url, state, reference,
                                    received_currency, refunded, transaction_id, ordered_by, ordered_at, settled_at)
SELECT gen_random_uuid(), customer_id, 100, 'fake', 'checkout-' || id, '', 'paid', 'reference-' || id, 'CNY', 0, id,
       'person-1@example.com', at, at
  FROM invoices_accounttransaction WHERE kind = 'payment' ORDER BY id;
INSERT INTO invoices_paymentcallback (provider, event_id, kind, payment_id, amount, currency, outcome, at)
SELECT 'fake', 'event-' || id, 'paid', id, 100, 'CNY', 'applied', settled_at FROM invoices_onlinepayment ORDER BY id;

INSERT INTO usage_budget (customer_id, metadata_name, metadata_value, period, amount, alerts_at, is_cap, created_at)
SELECT id, CASE WHEN k > 0 THEN 'project' ELSE '' END, CASE WHEN k > 0 THEN 'project-' || k ELSE '' END, period, 1000,
       ARRAY[50, 80, 100], false, now()
  FROM account CROSS JOIN generate_series(0, 1) AS k CROSS JOIN unnest(ARRAY['day', 'month']) AS period;
INSERT INTO accounts_webhookendpoint (customer_id, url, kinds, secret, previous_secret, created_at, disabled_because)
SELECT id, 'https://' || code || '.example.com/events', ARRAY['bill.closed'], 'whsec_' || n, '', now(), '' FROM account;
INSERT INTO accounts_webhookevent (customer_id, kind, key, payload, at)
SELECT id, 'bill.closed', 'bill-' || k, '{}', now() - k * interval '1 hour'
  FROM account CROSS JOIN generate_series(1, 50) AS k ORDER BY k DESC, id;
INSERT INTO accounts_webhookdelivery (event_id, endpoint_id, state, failures, delivered_at)
SELECT event.id, endpoint.id, 'delivered', 0, event.at
  FROM accounts_webhookevent AS event
  JOIN accounts_webhookendpoint AS endpoint ON endpoint.customer_id = event.customer_id
 ORDER BY event.id;
