CREATE OR REPLACE FUNCTION audit_table_no_more(audited regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TRIGGER changes_are_audited ON %s', audited);
    EXECUTE format('DROP TRIGGER rows_do_not_go_unaudited ON %s', audited);
END
$$;
