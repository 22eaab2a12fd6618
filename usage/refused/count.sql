-- Both statements lock rows in one order, so that two processes cannot deadlock.
INSERT INTO usage_refusedusage AS counted
       (hour, key_id, customer_id, reason, requests, records, last_at, latest)
SELECT hour, key_id, customer_id, reason, requests, records, last_at, latest
  FROM json_to_recordset(%(refused)s::json) AS refused (
       hour timestamptz, key_id bigint, customer_id bigint, reason text, requests bigint, records bigint,
       last_at timestamptz, latest jsonb)
 ORDER BY hour, key_id, customer_id, reason
    ON CONFLICT (hour, key_id, customer_id, reason) DO UPDATE
   SET requests = counted.requests + excluded.requests,
       records = counted.records + excluded.records,
       last_at = greatest(counted.last_at, excluded.last_at),
       latest = jsonb_path_query_array(excluded.latest || counted.latest, '$$[0 to $last_shown]');

INSERT INTO usage_refusedusagetotal AS total (reason, records)
SELECT reason, sum(records)
  FROM json_to_recordset(%(refused)s::json) AS refused (reason text, records bigint)
 GROUP BY reason
 ORDER BY reason
    ON CONFLICT (reason) DO UPDATE SET records = total.records + excluded.records;
