CREATE TRIGGER payment_callbacks_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_paymentcallback
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_paymentcallback ENABLE ALWAYS TRIGGER payment_callbacks_are_append_only;
