CREATE TRIGGER purchases_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_packagepurchase
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_packagepurchase ENABLE ALWAYS TRIGGER purchases_are_append_only;

CREATE TRIGGER draws_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_packagedraw
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_packagedraw ENABLE ALWAYS TRIGGER draws_are_append_only;

CREATE TRIGGER overruns_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_quotaoverrun
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_quotaoverrun ENABLE ALWAYS TRIGGER overruns_are_append_only;
