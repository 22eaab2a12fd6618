-- The call at which each of these packages runs out, what is left before it, and the chain of packages of that call. No
-- quantity is below 0, so what is left never grows: `reached` are the calls before that one, and it.
WITH $grouped $segments, $weights, examined AS (
    SELECT * FROM json_to_recordset(%(examined)s::json) AS (package bigint, "left" numeric)
), rest AS (
    SELECT * FROM json_to_recordset(%(rest)s::json)
               AS (package bigint, customer bigint, service bigint, at timestamptz, event_id text, $columns)
), reaching AS (
    SELECT examined.package, examined.left, segments.place, record.customer_id AS customer, record.service_id AS service,
           record.occurred_at AS at, record.event_id, $quantities
$records_of_segments
     UNION ALL
    SELECT examined.package, examined.left, NULL, customer, service, at, event_id, $of_rest
      FROM rest JOIN examined ON examined.package = rest.package
), counted AS (
    SELECT reaching.*, $demand AS demand
      FROM reaching
      $weighed
), running AS (
    SELECT *, counted.left - sum(demand) OVER (
               PARTITION BY package ORDER BY at, event_id COLLATE "C" ROWS UNBOUNDED PRECEDING) AS left_after
      FROM counted
), reached AS MATERIALIZED (
    SELECT * FROM running WHERE left_after + demand >= 0
)$keep
SELECT first.package, first.left_after + first.demand AS left, first.customer, first.service, first.at,
       first.event_id, $of_first, array_agg(chain.package_id ORDER BY chain.turn) AS packages
  FROM reached AS first
  JOIN grouped ON grouped.customer_id = first.customer AND grouped.service_id = first.service
   AND first.at >= grouped.from_at AND first.at < grouped.until_at
  JOIN chain ON chain.place = grouped.place
 WHERE first.left_after < 0
 GROUP BY first.package, first.left_after, first.demand, first.customer, first.service, first.at,
          first.event_id, $of_first
