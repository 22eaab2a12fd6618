-- Writes an entry of the audit trail for a changed row, with its transaction, so that changes made together are
-- known as such.
CREATE OR REPLACE FUNCTION write_audit_entry() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    ignored text[] := TG_ARGV[0]::text[];
    secret text[] := TG_ARGV[1]::text[];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - ignored END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - ignored END;
    number text := COALESCE(was, becomes) ->> 'id';
    field text;
BEGIN
    IF was = becomes THEN
        RETURN NULL;
    END IF;
    FOREACH field IN ARRAY secret LOOP
        IF was -> field <> becomes -> field THEN
            was := was || jsonb_build_object(field, '(not kept)');
            becomes := becomes || jsonb_build_object(field, '(changed)');
        ELSE
            was := was - field;
            becomes := becomes - field;
        END IF;
    END LOOP;
    INSERT INTO accounts_auditentry (at, transaction, by, reason, deed, "table", "row", before, after)
    VALUES (
        clock_timestamp(),
        pg_current_xact_id()::text::bigint,
        COALESCE(NULLIF(current_setting('billing.by', true), ''), 'database role ' || session_user),
        COALESCE(current_setting('billing.reason', true), ''),
        CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'UPDATE' THEN 'changed' ELSE 'removed' END,
        TG_TABLE_NAME, number, was, becomes
    );
    RETURN NULL;
END
$$;
