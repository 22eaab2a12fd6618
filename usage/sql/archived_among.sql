-- Which of these events are archived. VOLATILE, so that what is read after waiting for the lock is what was true when it
-- was granted. A scan of the whole table is never right, however small it was when the statement was planned.
CREATE OR REPLACE FUNCTION archived_among(customers bigint[], events text[])
RETURNS TABLE (customer_id bigint, event_id text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
    IF share_archive() THEN
        RETURN QUERY
        SELECT sent.customer, sent.event
          FROM unnest(customers, events) AS sent (customer, event)
         WHERE (SELECT true FROM usage_archivedevent AS archived
                 WHERE archived.customer_id = sent.customer AND archived.event_id = sent.event);
    END IF;
END
$$;
