-- Writes the notices that are due and not written yet. Of those before the expiry only the one of the present span is
-- due: after an outage nobody is told of 7 days where one is left. A package that was valid for no longer than a
-- notice looks ahead has no such notice, and one that is used up has none of its expiry.
INSERT INTO invoices_packagenotice (package_id, kind, created_at, shown_until, mail_after, dismissed_by)
SELECT package.id, due.kind, %(now)s, due.until, %(now)s, ''
  FROM pricing_quotapackage AS package
  LEFT JOIN LATERAL (
       SELECT draw.left, draw.ran_out_at FROM invoices_packagedraw AS draw
        WHERE draw.package_id = package.id ORDER BY draw.id DESC LIMIT 1) AS drawn ON true
 CROSS JOIN LATERAL (
       SELECT coalesce(drawn.left = 0 OR drawn.ran_out_at IS NOT NULL, false) AS used_up) AS spent
 CROSS JOIN LATERAL (
       VALUES ('used_80', NOT spent.used_up AND drawn.left * 5 <= package.tokens, package.expires_at),
              ('used_100', spent.used_up, package.expires_at)
        UNION ALL
       SELECT before.kind, NOT spent.used_up AND span.since > package.begins_at AND span.since <= %(now)s, span.until
         FROM (VALUES ('expires_7', 7, 3), ('expires_3', 3, 1), ('expires_1', 1, 0)) AS before (kind, days, next)
        CROSS JOIN LATERAL (
              SELECT package.expires_at - days * interval '24 hours' AS since,
                     package.expires_at - next * interval '24 hours' AS until) AS span) AS due (kind, is_due, until)
 WHERE package.expires_at > %(now)s AND package.begins_at <= %(now)s AND package.ended_at IS NULL
   AND due.is_due AND due.until > %(now)s
   AND NOT EXISTS (SELECT FROM invoices_packagerefund AS refund WHERE refund.package_id = package.id)
   AND NOT EXISTS (
       SELECT FROM invoices_packagenotice AS notice
        WHERE notice.package_id = package.id AND notice.kind = due.kind)
    ON CONFLICT (package_id, kind) DO NOTHING
