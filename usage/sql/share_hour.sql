-- The reporters' half of the barrier (usage/billing_hours.py): keep these hours from closing until the transaction ends,
-- and say in which hour each one's records are billed. One call, because every report pays for it.
-- VOLATILE matters: each statement in here sees what was committed before it began, so what is read after
-- waiting for a lock is what was true when the lock was granted.
CREATE OR REPLACE FUNCTION share_hour(hour timestamptz) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(1213158738, (extract(epoch FROM hour) / 3600)::int)
$$;
