-- Notes on the bills just made what they give back to packages and draw on them. A statement of its own: within that of
-- the bills the planner takes them for one.
WITH $weights, ran_out AS (
    SELECT * FROM json_to_recordset(%(run_out)s::json)
               AS (package bigint, at timestamptz, event_id text, measure text, quantity bigint)
), given_back AS (
    SELECT * FROM json_to_recordset(%(returned)s::json) AS (package bigint, tokens numeric)
), drawn AS (
    SELECT package, sum(tokens) AS tokens
      FROM (SELECT bought.id AS package, $demand AS tokens
              FROM pg_temp.covered
              JOIN pricing_quotapackage AS bought ON bought.id = covered.package_id
              LEFT JOIN weights ON weights.package_id = bought.id AND weights.service_id = covered.service_id
             WHERE bought.method = 'tokens_package'
             UNION ALL
            SELECT package, 0 FROM ran_out) AS each
     GROUP BY package
)
INSERT INTO invoices_packagedraw
       (package_id, bill_id, is_return, tokens, left_before, "left", ran_out_at, ran_out_event_id, ran_out_measure,
        ran_out_quantity)
SELECT bought.id, bill.id, change.is_return, change.tokens, before.left,
       before.left + CASE WHEN change.is_return THEN change.tokens ELSE -change.tokens END, ran_out.at, ran_out.event_id,
       coalesce(ran_out.measure, ''), coalesce(ran_out.quantity, 0)
  FROM (SELECT package, tokens, true AS is_return FROM given_back
         UNION ALL
        SELECT package, tokens, false FROM drawn) AS change
  JOIN pricing_quotapackage AS bought ON bought.id = change.package
  JOIN invoices_hourlybill AS bill
    ON bill.customer_id = bought.customer_id AND bill.hour_id = %(hour)s AND bill.sealed_in_id = %(sealed_in)s
  LEFT JOIN given_back ON given_back.package = bought.id AND NOT change.is_return
  LEFT JOIN ran_out ON ran_out.package = bought.id AND NOT change.is_return
 CROSS JOIN LATERAL (
       SELECT coalesce((SELECT latest.left FROM invoices_packagedraw AS latest
                         WHERE latest.package_id = bought.id ORDER BY latest.id DESC LIMIT 1), bought.tokens)
            + coalesce(given_back.tokens, 0) AS left) AS before
 ORDER BY bought.id, change.is_return DESC
