-- In one order, so that two processes cannot deadlock.
INSERT INTO sensenova_billing_measurement AS stored (metric, labels, buckets, total)
SELECT metric, labels, buckets, total
  FROM json_to_recordset(%s::json) AS measured (
       metric text, labels text[], buckets bigint[], total double precision)
 ORDER BY metric, labels
    ON CONFLICT (metric, labels) DO UPDATE
   SET buckets = ARRAY(
           SELECT before + added
             FROM unnest(stored.buckets, excluded.buckets) WITH ORDINALITY AS bucket (before, added, place)
            ORDER BY place),
       total = stored.total + excluded.total
