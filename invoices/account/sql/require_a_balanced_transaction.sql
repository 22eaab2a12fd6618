CREATE OR REPLACE FUNCTION require_a_balanced_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
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
