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
