-- Of one shard, whose name Citus fills in: whether its trigger refuses every change, even to replicas, and how many of
-- its constraints are in force. Of the table itself, the same is to be expected.
SELECT concat_ws(' ',
       (SELECT count(*)
          FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
         WHERE tgrelid = %1$$L::regclass AND tgenabled = 'A' AND (tgtype & 59) = 58 AND tgqual IS NULL
           AND proname = 'refuse_change' AND strpos(prosrc, 'RAISE EXCEPTION') > 0),
       (SELECT count(*) FROM pg_constraint WHERE conrelid = %1$$L::regclass AND contype = 'c' AND convalidated),
       (SELECT count(*) FROM pg_index WHERE indrelid = %1$$L::regclass AND indisunique AND indisvalid))
