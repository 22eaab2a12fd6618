SELECT tgrelid::regclass::text, tgname, tgenabled, proname, prosrc,
       CASE WHEN tgqual IS NULL THEN tgtype & 59 ELSE 0 END
  FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE tgrelid = ANY (%s::regclass[])
 ORDER BY tgrelid::regclass::text, tgname
