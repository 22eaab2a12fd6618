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
