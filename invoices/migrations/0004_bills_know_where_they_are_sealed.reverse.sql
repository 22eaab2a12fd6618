DROP TRIGGER releases_are_append_only ON invoices_release;
DROP TRIGGER parked_hours_are_append_only ON invoices_parkedhour;
DROP TRIGGER reratings_are_append_only ON invoices_rerating;
ALTER TABLE invoices_hourlybill ALTER COLUMN sealed_in_id DROP NOT NULL;
