-- Some unique constraints are indexes only: those with a condition or an expression. A foreign key is known by
-- its column.
SELECT conrelid::regclass::text, CASE contype WHEN 'f' THEN 'foreign key ' || attname ELSE conname END,
       convalidated
  FROM pg_constraint
  LEFT JOIN pg_attribute ON contype = 'f' AND attrelid = conrelid AND attnum = conkey[1]
 WHERE conrelid = ANY (%(tables)s::regclass[])
 UNION
SELECT indrelid::regclass::text, indexrelid::regclass::text, indisvalid
  FROM pg_index WHERE indrelid = ANY (%(tables)s::regclass[]) AND indisunique
