CREATE TRIGGER callback_reviews_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_callbackreview
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_callbackreview ENABLE ALWAYS TRIGGER callback_reviews_are_append_only;
