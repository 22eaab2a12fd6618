-- The same as split_groups.sql without reading the records again: what was found before each call at which a package ran
-- out, and what that and those calls leave of the group.
, before AS MATERIALIZED (
    SELECT segments.place, segments.package_id, segments.method, reached.records, $of_reached
      FROM segments
      JOIN pg_temp.reached_usage AS reached
        ON reached.place = segments.place AND reached.package_id = segments.package_id
     WHERE segments.upto IS NOT NULL
), taken AS (
    SELECT place, sum(records)::bigint AS records, $sums
      FROM (SELECT place, records, $measures FROM before
             UNION ALL
            SELECT place, records, $measures FROM divided_groups) AS each
     GROUP BY place
), split AS (
    SELECT place, package_id, method, records, $measures FROM before
     UNION ALL
    SELECT segments.place, segments.package_id, segments.method, grouped.records - coalesce(taken.records, 0),
           $what_is_left
      FROM segments
      JOIN grouped ON grouped.place = segments.place
      LEFT JOIN taken ON taken.place = segments.place
     WHERE segments.after IS NOT NULL AND segments.upto IS NULL AND grouped.records <> coalesce(taken.records, 0)
)
