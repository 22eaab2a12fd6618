CREATE TRIGGER bank_imports_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_bankimport
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_bankimport ENABLE ALWAYS TRIGGER bank_imports_are_append_only;

CREATE TRIGGER imported_payments_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_importedpayment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_importedpayment ENABLE ALWAYS TRIGGER imported_payments_are_append_only;
