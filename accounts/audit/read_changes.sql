-- The present snapshot, and whether there are entries that an earlier one lacks. Transaction ids above xmax were
-- imported from another server.
WITH earlier AS ($earlier_snapshot), present AS (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text AS server, pg_current_snapshot() AS snapshot,
           coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) AS reader,
           coalesce((SELECT max(id) FROM accounts_auditentry
                      WHERE transaction = pg_current_xact_id_if_assigned()::text::bigint), 0) AS last
)
SELECT concat_ws(' ', present.server, present.snapshot, present.reader, present.last),
       present.server <> earlier.server OR EXISTS (
       SELECT FROM accounts_auditentry
        WHERE (transaction < pg_snapshot_xmax(present.snapshot)::text::bigint
               OR transaction = pg_current_xact_id_if_assigned()::text::bigint)
          AND $is_unseen)
  FROM present, earlier
