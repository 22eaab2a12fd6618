-- Who, when, why, before, after: each change of a row in a table that has this trigger, whatever code made it.
-- Arguments: the columns that are left out, so that a change of them alone is no entry; and the secret ones,
-- of which only that they changed is kept.
CREATE FUNCTION write_audit_entry() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
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
    INSERT INTO accounts_auditentry (at, by, reason, deed, "table", "row", before, after)
    VALUES (
        clock_timestamp(),
        COALESCE(NULLIF(current_setting('billing.by', true), ''), 'database role ' || session_user),
        COALESCE(current_setting('billing.reason', true), ''),
        CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'UPDATE' THEN 'changed' ELSE 'removed' END,
        TG_TABLE_NAME, number, was, becomes
    );
    RETURN NULL;
END
$$;

-- Its own, not refuse_change() of usage: this app knows nothing of that one.
CREATE FUNCTION refuse_untraced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER audit_entries_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untraced('the audit trail is never changed.');
ALTER TABLE accounts_auditentry ENABLE ALWAYS TRIGGER audit_entries_are_append_only;

-- Puts a table under audit. Rows that go by TRUNCATE would go without an entry each: that is refused.
CREATE FUNCTION audit_table(audited regclass, ignored text[] DEFAULT '{}', secret text[] DEFAULT '{}')
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Not UPDATE OF a list of columns: a column that is added later would be missing from it, unseen.
    EXECUTE format(
        'CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON %s
             FOR EACH ROW EXECUTE FUNCTION write_audit_entry(%L, %L)', audited, ignored, secret);
    EXECUTE format(
        'CREATE TRIGGER rows_do_not_go_unaudited BEFORE TRUNCATE ON %s FOR EACH STATEMENT
             EXECUTE FUNCTION refuse_untraced(''its rows are under audit: use DELETE.'')', audited);
    EXECUTE format(
        'ALTER TABLE %s ENABLE ALWAYS TRIGGER changes_are_audited,
             ENABLE ALWAYS TRIGGER rows_do_not_go_unaudited', audited);
END
$$;

CREATE FUNCTION audit_table_no_more(audited regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TRIGGER changes_are_audited ON %s', audited);
    EXECUTE format('DROP TRIGGER rows_do_not_go_unaudited ON %s', audited);
END
$$;

SELECT audit_table('accounts_customer');
SELECT audit_table('accounts_member');
SELECT audit_table('accounts_user', ignored => '{last_login}', secret => '{password}');
SELECT audit_table('accounts_user_user_permissions');
SELECT audit_table('accounts_servicekey', ignored => '{last_used_at}', secret => '{secret_sha256}');
SELECT audit_table('accounts_servicekey_customers');
