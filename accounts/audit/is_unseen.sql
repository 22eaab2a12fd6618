-- Whether the snapshot of `earlier` lacks an entry of the audit trail.
transaction >= pg_snapshot_xmin(earlier.snapshot)::text::bigint
   AND CASE WHEN transaction = earlier.reader THEN id > earlier.last
            ELSE NOT pg_visible_in_snapshot(transaction::text::xid8, earlier.snapshot) END
