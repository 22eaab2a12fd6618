-- One function for every table whose rows are facts: they may be added and read, nothing else.
-- Statement triggers see UPDATE, DELETE and TRUNCATE alike; ENABLE ALWAYS holds them for replication roles too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %: what is recorded there is never changed; add a correction instead.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER usage_records_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_usagerecord ENABLE ALWAYS TRIGGER usage_records_are_append_only;

CREATE TRIGGER closed_hours_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_billinghour
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_billinghour ENABLE ALWAYS TRIGGER closed_hours_are_append_only;
