CREATE TRIGGER bills_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_hourlybill
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_hourlybill ENABLE ALWAYS TRIGGER bills_are_append_only;

CREATE TRIGGER charge_lines_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_chargeline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_chargeline ENABLE ALWAYS TRIGGER charge_lines_are_append_only;

CREATE TRIGGER seals_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_hourseal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_hourseal ENABLE ALWAYS TRIGGER seals_are_append_only;
