CREATE TRIGGER statements_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_statement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_statement ENABLE ALWAYS TRIGGER statements_are_append_only;

CREATE TRIGGER account_transactions_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_accounttransaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_accounttransaction ENABLE ALWAYS TRIGGER account_transactions_are_append_only;

CREATE TRIGGER account_entries_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_accountentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_accountentry ENABLE ALWAYS TRIGGER account_entries_are_append_only;

-- At the commit: the entries of a transaction come one after the other.
CREATE FUNCTION require_a_balanced_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own bigint := CASE TG_TABLE_NAME WHEN 'invoices_accounttransaction' THEN (to_jsonb(NEW) ->> 'id')::bigint
                                     ELSE (to_jsonb(NEW) ->> 'transaction_id')::bigint END;
    entries bigint;
    total numeric;
BEGIN
    SELECT count(*), sum(amount) INTO entries, total FROM invoices_accountentry WHERE transaction_id = own;
    IF entries < 2 OR total <> 0 THEN
        RAISE EXCEPTION 'account_entries_add_up_to_zero: transaction % has % entries that come to %', own, entries, total
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER account_entries_add_up_to_zero AFTER INSERT ON invoices_accountentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_balanced_transaction();
ALTER TABLE invoices_accountentry ENABLE ALWAYS TRIGGER account_entries_add_up_to_zero;

CREATE CONSTRAINT TRIGGER a_transaction_has_entries AFTER INSERT ON invoices_accounttransaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_balanced_transaction();
ALTER TABLE invoices_accounttransaction ENABLE ALWAYS TRIGGER a_transaction_has_entries;
