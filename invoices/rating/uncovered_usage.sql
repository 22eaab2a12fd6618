-- A common table expression that continues from `grouped`: `consumed`, all of which is charged.
consumed AS (
    SELECT customer_id, service_id, usage_hour, billed_in, instant, records, records AS on_line,
           NULL::bigint AS package_id, false AS is_piece, $measures
      FROM grouped
)
