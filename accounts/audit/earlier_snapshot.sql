-- The parts of the snapshot that the caller has; all null if it has none. A snapshot includes the server's start
-- time, because transaction ids are comparable within one server only. It ends with the reader's own transaction
-- and the last entry of that, because pg_visible_in_snapshot counts a transaction's own writes as seen once any
-- later one has ended.
SELECT split_part(given, ' ', 1) AS server,
       nullif(split_part(given, ' ', 2), '')::pg_snapshot AS snapshot,
       nullif(split_part(given, ' ', 3), '')::bigint AS reader,
       nullif(split_part(given, ' ', 4), '')::bigint AS last
  FROM (SELECT coalesce(%s::text, '')) AS parameters (given)
