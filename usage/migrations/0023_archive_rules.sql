-- The hash of what a repeated report has to repeat, its instant left out: the columns of a record as a JSON object. A
-- measure of which nothing was used may be null or missing, so columns that are added later change no hash.
CREATE OR REPLACE FUNCTION content_hash(stored jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(jsonb_strip_nulls(stored - ARRAY['customer_id', 'event_id', 'occurred_at', 'billing_hour',
               'received_at', 'is_charged', 'reverses'])::text, 'UTF8'))
$$;
-- Whether any event is archived. Until the transaction ends, no record leaves the table for an archive whose events were
-- not there to be found (usage/archive/identities.py).
CREATE OR REPLACE FUNCTION share_archive() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1095910216, 0);
    RETURN EXISTS (SELECT FROM usage_archivedevent);
END
$$;
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
-- At the commit, the hours of an archive hold no record; once it is restored, they hold all of them, and none of these is
-- archived any more.
CREATE OR REPLACE FUNCTION require_archived_hours() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    here bigint := (SELECT count(*) FROM usage_usagerecord
                     WHERE billing_hour >= NEW.from_hour AND billing_hour < NEW.until_hour);
BEGIN
    IF here <> (CASE WHEN NEW.restored_at IS NULL THEN 0 ELSE NEW.records END) THEN
        RAISE EXCEPTION 'The archive % has % records, and its hours hold %.', NEW.file, NEW.records, here
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    IF EXISTS (SELECT FROM usage_usagerecord AS record
                 JOIN usage_archivedevent AS archived
                   ON archived.customer_id = record.customer_id AND archived.event_id = record.event_id
                WHERE record.billing_hour >= NEW.from_hour AND record.billing_hour < NEW.until_hour) THEN
        RAISE EXCEPTION 'Records of the archive % are restored, and still archived.', NEW.file
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
-- Of an archive only one thing changes, once: that it was restored.
CREATE OR REPLACE FUNCTION only_restore_an_archive() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same usage_usagearchive := NEW;
BEGIN
    same.restored_at := OLD.restored_at;
    IF same IS DISTINCT FROM OLD OR OLD.restored_at IS NOT NULL THEN
        RAISE EXCEPTION 'The archive % is not changed, only restored, and that once.', OLD.file
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
-- The identity of an archived event is removed only once its record is back.
CREATE OR REPLACE FUNCTION require_the_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM removed
          LEFT JOIN usage_usagerecord AS record
            ON record.customer_id = removed.customer_id AND record.event_id = removed.event_id
         WHERE (record.occurred_at, record.billing_hour, record.reverses, content_hash(to_jsonb(record)))
               IS DISTINCT FROM (removed.occurred_at, removed.billing_hour, removed.reverses, removed.content)) THEN
        RAISE EXCEPTION 'DELETE on %: an archived event remains until its record is restored.', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER usage_records_are_append_only ON usage_usagerecord;
CREATE TRIGGER usage_records_are_append_only BEFORE UPDATE OR TRUNCATE ON usage_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_usagerecord ENABLE ALWAYS TRIGGER usage_records_are_append_only;
CREATE TRIGGER usage_records_are_removed_only_to_an_archive AFTER DELETE ON usage_usagerecord
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION require_an_archive();
ALTER TABLE usage_usagerecord ENABLE ALWAYS TRIGGER usage_records_are_removed_only_to_an_archive;

CREATE TRIGGER archived_events_are_append_only BEFORE UPDATE OR TRUNCATE ON usage_archivedevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_archivedevent ENABLE ALWAYS TRIGGER archived_events_are_append_only;
CREATE TRIGGER archived_events_are_removed_only_for_their_records AFTER DELETE ON usage_archivedevent
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION require_the_record();
ALTER TABLE usage_archivedevent ENABLE ALWAYS TRIGGER archived_events_are_removed_only_for_their_records;

CREATE TRIGGER archives_are_never_deleted BEFORE DELETE OR TRUNCATE ON usage_usagearchive
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_usagearchive ENABLE ALWAYS TRIGGER archives_are_never_deleted;
CREATE TRIGGER an_archive_is_only_restored BEFORE UPDATE ON usage_usagearchive
    FOR EACH ROW EXECUTE FUNCTION only_restore_an_archive();
ALTER TABLE usage_usagearchive ENABLE ALWAYS TRIGGER an_archive_is_only_restored;
CREATE CONSTRAINT TRIGGER archived_hours_hold_no_records AFTER INSERT OR UPDATE ON usage_usagearchive
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_archived_hours();
ALTER TABLE usage_usagearchive ENABLE ALWAYS TRIGGER archived_hours_hold_no_records;
