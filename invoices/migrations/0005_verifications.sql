CREATE TRIGGER verifications_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_verification
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_verification ENABLE ALWAYS TRIGGER verifications_are_append_only;
