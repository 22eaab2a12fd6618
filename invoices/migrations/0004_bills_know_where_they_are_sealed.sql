-- Until now every bill was issued when its own hour closed. Bills refuse every change, this one too.
ALTER TABLE invoices_hourlybill DISABLE TRIGGER bills_are_append_only;
UPDATE invoices_hourlybill SET sealed_in_id = hour_id WHERE sealed_in_id IS NULL;
ALTER TABLE invoices_hourlybill ENABLE ALWAYS TRIGGER bills_are_append_only;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE invoices_hourlybill ALTER COLUMN sealed_in_id SET NOT NULL;

CREATE TRIGGER reratings_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_rerating
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_rerating ENABLE ALWAYS TRIGGER reratings_are_append_only;

CREATE TRIGGER parked_hours_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_parkedhour
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_parkedhour ENABLE ALWAYS TRIGGER parked_hours_are_append_only;

CREATE TRIGGER releases_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_release
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_release ENABLE ALWAYS TRIGGER releases_are_append_only;
