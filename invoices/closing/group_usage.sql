-- A statement of its own, because PostgreSQL groups in parallel only where nothing is written besides. The
-- table is temporary, and no record can have come in between: the hour is locked.
--
-- Without plain index scans, which would fetch the records in the order of their customers, one page each:
-- the records of an hour lie together, and are read faster as they lie.
DROP TABLE IF EXISTS pg_temp.grouped;
SET LOCAL enable_indexscan = off;
CREATE TEMPORARY TABLE grouped ON COMMIT DROP AS $grouped;
SET LOCAL enable_indexscan TO DEFAULT;
ANALYZE pg_temp.grouped;
DROP TABLE IF EXISTS pg_temp.reversals_here;
CREATE TEMPORARY TABLE reversals_here ON COMMIT DROP AS $reversals_here;
ANALYZE pg_temp.reversals_here;
