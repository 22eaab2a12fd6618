-- Of one shard, whose name Citus fills in: whether its triggers refuse every change, even to replicas, and how many of its
-- constraints are in force. Of the table itself, the same is to be expected.
SELECT concat_ws(' ',
       (SELECT string_agg(concat_ws('/', proname, tgtype, tgenabled, tgqual IS NULL, md5(prosrc)), ' ' ORDER BY tgtype, proname)
          FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
         WHERE tgrelid = %1$$L::regclass AND proname IN ('refuse_change', 'require_an_archive')),
       (SELECT count(*) FROM pg_constraint WHERE conrelid = %1$$L::regclass AND contype = 'c' AND convalidated),
       (SELECT count(*) FROM pg_index WHERE indrelid = %1$$L::regclass AND indisunique AND indisvalid))
