-- What stands on a request are statements of its customer with an amount, which are not superseded; they stay.
CREATE OR REPLACE FUNCTION keep_einvoice_items() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same invoices_einvoiceitem := NEW;
    is_right boolean := false;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT NOT NEW.is_released AND request.state = 'requested' AND statement.payable > 0
               AND request.customer_id = NEW.customer_id AND statement.customer_id = NEW.customer_id
               AND statement.begins_at = NEW.begins_at
               AND NOT EXISTS (SELECT FROM invoices_statement AS later WHERE later.corrects_id = statement.sequence)
          INTO is_right
          FROM invoices_einvoicerequest AS request, invoices_statement AS statement
         WHERE request.id = NEW.request_id AND statement.sequence = NEW.statement_id;
    ELSIF TG_OP = 'UPDATE' THEN
        same.is_released := false;
        is_right := same IS NOT DISTINCT FROM OLD AND NEW.is_released AND EXISTS (
            SELECT FROM invoices_einvoicerequest
             WHERE id = NEW.request_id AND state IN ('refused', 'withdrawn', 'reversed'));
    END IF;
    IF is_right IS NOT TRUE THEN
        RAISE EXCEPTION 'A tax invoice is of statements of its customer that have an amount, and keeps them.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
