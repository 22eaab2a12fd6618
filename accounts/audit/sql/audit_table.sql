-- Puts a table under audit. Rows that go by TRUNCATE would go without an entry each: that is refused.
CREATE OR REPLACE FUNCTION audit_table(audited regclass, ignored text[] DEFAULT '{}', secret text[] DEFAULT '{}')
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
