-- Common table expressions: `reversed`, the hour's reversals in groups of one price each, by the hour in which what they
-- reverse was billed and by the package that covered it: as the draws of that hour's bill say, or by the package's period
-- where it is a TPM package. `records` counts each reversal once, `on_line` all of which a part is here.
reversals_here AS MATERIALIZED ($reversals_here), chain_then AS MATERIALIZED (
    SELECT reversal.customer_id, reversal.event_id, package.id AS package_id, package.method, draw.ran_out_at,
           draw.ran_out_event_id, array_position($order, draw.ran_out_measure::text) AS ran_out_item,
           draw.ran_out_quantity,
           row_number() OVER (PARTITION BY reversal.customer_id, reversal.event_id
                                  ORDER BY package.expires_at, package.bought_at, package.id) AS turn
      FROM reversals_here AS reversal
      LEFT JOIN ($free_usage) AS free USING (customer_id, service_id, occurred_at)
      JOIN pricing_methodperiod AS period
        ON period.customer_id = reversal.customer_id AND period.service_id = reversal.service_id
       AND period.begins_at <= reversal.usage_hour AND period.ends_at > reversal.usage_hour
      JOIN pricing_quotapackage AS package ON package.id = period.package_id
      LEFT JOIN invoices_hourlybill AS bill
        ON bill.customer_id = reversal.customer_id AND bill.hour_id = reversal.billed_in
      LEFT JOIN invoices_packagedraw AS draw
        ON draw.bill_id = bill.id AND draw.package_id = package.id AND NOT draw.is_return
     WHERE period.method = 'tpm_package' OR draw.id IS NOT NULL AND free.occurred_at IS NULL
), offered AS (
    SELECT chain_then.*, measured.item, measured.quantity,
           ran_out_at IS NULL OR (reversal.occurred_at, reversal.original_id, measured.item)
                               < (ran_out_at, ran_out_event_id, ran_out_item) AS is_whole,
           coalesce((reversal.occurred_at, reversal.original_id, measured.item)
                  = (ran_out_at, ran_out_event_id, ran_out_item), false) AS is_divided
      FROM chain_then
      JOIN reversals_here AS reversal
        ON reversal.customer_id = chain_then.customer_id AND reversal.event_id = chain_then.event_id
     CROSS JOIN LATERAL (VALUES $net_items) AS measured (item, is_tokens, quantity)
     WHERE measured.is_tokens OR chain_then.method = 'tpm_package'
), taken AS MATERIALIZED (
    SELECT customer_id, event_id, package_id, turn, item,
           is_whole AND NOT coalesce(bool_or(is_whole) OVER earlier, false) AS is_first_whole,
           CASE WHEN bool_or(is_whole) OVER earlier THEN 0
                WHEN is_whole THEN quantity - coalesce(sum(ran_out_quantity) FILTER (WHERE is_divided) OVER earlier, 0)
                WHEN is_divided THEN ran_out_quantity ELSE 0 END AS quantity
      FROM offered
    WINDOW earlier AS (PARTITION BY customer_id, event_id, item
                           ORDER BY turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), shares AS (
    SELECT customer_id, event_id, package_id, turn, $of_taken
      FROM taken GROUP BY customer_id, event_id, package_id, turn
    HAVING sum(quantity) > 0
), all_shares AS (
    SELECT customer_id, event_id, package_id, turn, $measures FROM shares
     UNION ALL
    SELECT reversal.customer_id, reversal.event_id,
           CASE WHEN NOT ($some_not_taken) THEN (
                SELECT min(package_id) FROM taken
                 WHERE is_first_whole AND taken.customer_id = reversal.customer_id
                   AND taken.event_id = reversal.event_id) END, 0, $not_taken
      FROM reversals_here AS reversal
      LEFT JOIN shares ON shares.customer_id = reversal.customer_id AND shares.event_id = reversal.event_id
     GROUP BY reversal.customer_id, reversal.event_id, $reversal_measures
    HAVING count(shares.turn) = 0 OR $some_not_taken
), numbered AS (
    SELECT *, count(*) OVER its > 1 AS is_piece, row_number() OVER (its ORDER BY turn) AS nth
      FROM all_shares WINDOW its AS (PARTITION BY customer_id, event_id)
), reversed AS MATERIALIZED (
    SELECT reversal.customer_id, reversal.service_id, reversal.usage_hour, reversal.billed_in,
           min(reversal.occurred_at) AS instant, count(*) FILTER (WHERE nth = 1) AS records, count(*) AS on_line,
           package_id, bool_and(is_piece) AND ($any_of_numbered) AS is_piece, $sums_of_numbered
      FROM numbered
      JOIN reversals_here AS reversal
        ON reversal.customer_id = numbered.customer_id AND reversal.event_id = numbered.event_id
     GROUP BY reversal.customer_id, reversal.service_id, reversal.usage_hour, reversal.billed_in, package_id,
              width_bucket(reversal.occurred_at, %(instants)s::timestamptz[]),
              CASE WHEN is_piece THEN reversal.event_id END
)
