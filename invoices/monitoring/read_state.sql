-- All that tells how the closing and the books stand, and what waits for a decision, as one row.
WITH closed AS (SELECT max(hour) AS last FROM usage_billinghour), parked AS (
    SELECT parked.hour_id AS hour, count(*) AS customers,
           -- A release whose closing has come and that is not billed did not help.
           count(*) FILTER (WHERE release.id IS NULL OR release.billing_hour <= closed.last) AS waiting
      FROM invoices_parkedhour AS parked
     CROSS JOIN closed
      LEFT JOIN invoices_release AS release ON release.parked_id = parked.id
     WHERE NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                        WHERE bill.customer_id = parked.customer_id AND bill.hour_id = parked.hour_id)
     GROUP BY parked.hour_id
), refused AS (
    SELECT key_id IS NULL AS is_without_key, sum(records)::bigint AS records
      FROM usage_refusedusage WHERE hour >= %(refused_since)s GROUP BY key_id
), seals AS (SELECT hour_id, sha256 FROM invoices_hourseal ORDER BY hour_id DESC LIMIT %(seals)s)
SELECT closed.last AS last_closed,
       CASE WHEN closed.last IS NULL THEN (SELECT min(billing_hour) FROM usage_usagerecord) END AS first_used,
       (SELECT closed_at FROM usage_billinghour ORDER BY hour LIMIT 1) AS first_closed_at,
       (SELECT array_agg(hour_id ORDER BY hour_id DESC) FROM seals) AS seal_hours,
       (SELECT array_agg(sha256 ORDER BY hour_id DESC) FROM seals) AS seals,
       (SELECT array_agg(hour ORDER BY hour) FROM parked) AS parked_hours,
       (SELECT array_agg(customers ORDER BY hour) FROM parked) AS parked,
       (SELECT sum(waiting)::bigint FROM parked) AS parked_waiting,
       (SELECT min(hour) FROM parked WHERE waiting > 0) AS oldest_parked,
       (SELECT sum(records)::bigint FROM refused) AS refused,
       (SELECT max(records) FROM refused) AS most_refused,
       (SELECT is_without_key FROM refused ORDER BY records DESC LIMIT 1) AS is_most_without_key,
       (SELECT count(*) FROM pricing_proposal WHERE decision = '') AS proposals,
       (SELECT count(*) FROM invoices_adjustment WHERE decision = '') AS adjustments,
       einvoices.*, differing.*, disputes.*, canaries.*, published.*, open_hours.*, quarantine.*, overruns.*, latest.*, failed.*
  FROM closed
 CROSS JOIN LATERAL (
       SELECT count(*) AS open_hours, min(raised_at) AS open_hours_since
         FROM invoices_openhouralarm WHERE closed.last IS NULL OR hour > closed.last) AS open_hours
 CROSS JOIN (
       SELECT count(*) AS einvoices, min(requested_at) AS einvoices_since
         FROM invoices_einvoicerequest WHERE state = 'requested') AS einvoices
 CROSS JOIN (
       SELECT count(*) AS differing_callbacks, min(at) AS differing_since
         FROM invoices_paymentcallback AS callback
        WHERE outcome = 'mismatch'
          AND NOT EXISTS (SELECT FROM invoices_callbackreview AS review WHERE review.callback_id = callback.id)) AS differing
 CROSS JOIN (
       SELECT count(*) AS open_disputes, min(evidence_by) AS evidence_by
         FROM invoices_paymentdispute WHERE state = 'needs_response') AS disputes
 CROSS JOIN (
       SELECT count(*) FILTER (WHERE problem = 'wrong' AND hour >= %(overruns_since)s) AS canaries_wrong,
              min(hour) FILTER (WHERE problem = 'wrong' AND hour >= %(overruns_since)s) AS canary_wrong_since,
              count(*) FILTER (WHERE problem = 'late') AS canaries_late,
              min(hour) FILTER (WHERE problem = 'late') AS canary_late_since,
              min(hour) AS first_canary, max(hour) FILTER (WHERE posted_at IS NOT NULL) AS last_canary
         FROM invoices_canaryhour) AS canaries
 CROSS JOIN (
       SELECT count(*) AS quarantined, min(received_at) AS quarantined_since
         FROM usage_quarantinedusage WHERE state = 'waiting') AS quarantine
 CROSS JOIN (
       SELECT count(DISTINCT bill.customer_id) AS overrun_customers, count(*) AS overrun_minutes, max(minute) AS last_overrun
         FROM invoices_quotaoverrun AS overrun
         JOIN invoices_hourlybill AS bill ON bill.id = overrun.bill_id
        WHERE overrun.minute >= %(overruns_since)s) AS overruns
  LEFT JOIN (
       SELECT last_hour AS published_until, failed_since AS publishing_failed_since, error AS publishing_error
         FROM invoices_sealpublication WHERE place = %(seals_place)s) AS published ON true
  LEFT JOIN LATERAL (
       SELECT verified_at, from_hour, until_hour, findings
         FROM invoices_verification ORDER BY verified_at DESC, id DESC LIMIT 1) AS latest ON true
  -- The last with findings whose hours no later one has found in order.
  LEFT JOIN LATERAL (
       SELECT verified_at AS failed_at, from_hour AS failed_from, until_hour AS failed_until, findings AS failed_findings
         FROM invoices_verification AS failed
        WHERE findings > 0 AND NOT EXISTS (
              SELECT FROM invoices_verification AS cleared
               WHERE cleared.findings = 0 AND cleared.verified_at > failed.verified_at
                 AND cleared.from_hour <= failed.from_hour AND cleared.until_hour >= failed.until_hour)
        ORDER BY verified_at DESC, id DESC LIMIT 1) AS failed ON true
