-- Usage records are removed only together, all of a span of closed hours, whose archive is recorded in the same
-- transaction (require_archived_hours.sql), and only if their identities remain, by which ingest finds duplicates.
CREATE OR REPLACE FUNCTION require_an_archive() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found bigint := (SELECT count(*) FROM removed);
    last timestamptz := (SELECT max(hour) FROM usage_billinghour);
    problem text;
BEGIN
    problem := CASE
        WHEN found = 0 THEN NULL
        WHEN NOT EXISTS (
            SELECT FROM usage_usagearchive AS archive
             WHERE archive.restored_at IS NULL AND archive.records = found AND archive.until_hour <= last + interval '1 hour'
               AND archive.from_hour <= (SELECT min(billing_hour) FROM removed)
               AND archive.until_hour > (SELECT max(billing_hour) FROM removed))
        THEN 'no archive of closed hours holds exactly these'
        WHEN found <> (
            SELECT count(*)
              FROM removed
              JOIN usage_archivedevent AS archived
                ON archived.customer_id = removed.customer_id AND archived.event_id = removed.event_id
             WHERE archived.occurred_at = removed.occurred_at AND archived.billing_hour = removed.billing_hour
               AND archived.reverses IS NOT DISTINCT FROM removed.reverses
               AND archived.content = content_hash(to_jsonb(removed)))
        THEN 'the identity of each must remain'
        WHEN EXISTS (
            SELECT FROM usage_usagerecord AS reversal
              JOIN removed ON removed.customer_id = reversal.customer_id AND removed.event_id = reversal.reverses
             WHERE reversal.reverses IS NOT NULL AND reversal.billing_hour > last)
        THEN 'one of them is reversed in an open hour'
    END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'DELETE on %: what is recorded there is never changed, and leaves only for an archive: %.',
            TG_TABLE_NAME, problem
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
