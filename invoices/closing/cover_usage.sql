-- A statement of its own for the same reason as the groups.
DROP TABLE IF EXISTS pg_temp.covered;
CREATE TEMP TABLE covered ON COMMIT DROP AS WITH $covered TABLE consumed;
ANALYZE pg_temp.covered;
DROP TABLE IF EXISTS pg_temp.overruns;
CREATE TEMP TABLE overruns ON COMMIT DROP AS $overruns;
