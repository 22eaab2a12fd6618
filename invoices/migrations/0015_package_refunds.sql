CREATE TRIGGER refunds_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_packagerefund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_packagerefund ENABLE ALWAYS TRIGGER refunds_are_append_only;

CREATE TRIGGER credits_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_packagecredit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_packagecredit ENABLE ALWAYS TRIGGER credits_are_append_only;
