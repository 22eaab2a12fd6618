SELECT sent.place, archived.occurred_at, archived.content, content_hash(sent.content)
  FROM jsonb_to_recordset(%s::jsonb) AS sent (place integer, customer_id bigint, event_id text, content jsonb)
  JOIN usage_archivedevent AS archived USING (customer_id, event_id)
