-- Run on a worker: the transactions that coordinators have prepared there. Their names hold no spaces.
SELECT coalesce(string_agg(gid, ' '), '')
  FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE 'citus\_%'
