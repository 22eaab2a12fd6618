-- Common table expressions that continue from `grouped`: `consumed`, the groups as far as one package covers them, or
-- none. Calls at which a package ran out are divided before, and given as parts. `records` counts each record once,
-- `on_line` all of which a part is here. What a Tokens package does not cover, such as images, is charged.
$segments, divided_groups AS MATERIALIZED (
    SELECT grouped.place, divided.package, divided.records, $of_divided
      FROM json_to_recordset(%(divided)s::json)
           AS divided (customer bigint, service bigint, at timestamptz, package bigint, records integer, $columns)
      JOIN grouped
        ON grouped.customer_id = divided.customer AND grouped.service_id = divided.service
       AND divided.at >= grouped.from_at AND divided.at < grouped.until_at
)$split, pieces AS (
    SELECT grouped.place, segments.package_id, coalesce(segments.method, '') AS method, grouped.records,
           grouped.records AS on_line, false AS is_piece, $of_group
      FROM grouped
      LEFT JOIN segments ON segments.place = grouped.place
     WHERE segments.after IS NULL AND segments.upto IS NULL
     UNION ALL
    SELECT place, package_id, method, records, records, $any_measure, $measures FROM split
     UNION ALL
    SELECT place, package, CASE WHEN package IS NULL THEN '' ELSE 'tokens_package' END, records, 1, true, $measures
      FROM divided_groups
), portions AS (
    SELECT place, package_id, records, on_line, is_piece OR method = 'tokens_package' AND $has_others AS is_piece,
           $covered
      FROM pieces
     WHERE method <> 'tokens_package' OR $has_tokens OR NOT $has_others
     UNION ALL
    SELECT place, NULL, CASE WHEN $has_tokens THEN 0 ELSE records END, on_line, $has_tokens, $not_covered
      FROM pieces
     WHERE method = 'tokens_package' AND $has_others
), consumed AS MATERIALIZED (
    SELECT grouped.customer_id, grouped.service_id, grouped.usage_hour, NULL::timestamptz AS billed_in,
           grouped.instant, portions.records, portions.on_line, portions.package_id, portions.is_piece, $of_portions
      FROM portions
      JOIN grouped ON grouped.place = portions.place
)
