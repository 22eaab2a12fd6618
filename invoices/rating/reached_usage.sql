-- What the groups of an hour have of the calls before those at which packages run out, by the package that covers them.
DROP TABLE IF EXISTS pg_temp.reached_usage;
CREATE TEMPORARY TABLE reached_usage (place bigint, package_id bigint, records bigint, $columns) ON COMMIT DROP
