SELECT audit_table_no_more('invoices_adjustment');
DROP TRIGGER an_adjustment_is_decided_once ON invoices_adjustment;
DROP FUNCTION keep_adjustments();
