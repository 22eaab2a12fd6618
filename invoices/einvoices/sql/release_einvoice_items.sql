-- The statements of a request that comes to nothing may stand on another one.
CREATE OR REPLACE FUNCTION release_einvoice_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE invoices_einvoiceitem SET is_released = true WHERE request_id = NEW.id;
    RETURN NULL;
END
$$;
