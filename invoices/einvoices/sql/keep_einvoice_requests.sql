-- Nothing of a request for a tax invoice changes but its state, in this order, and what the transition records.
-- The number and date of an invoice may be recorded again, where they were mistyped.
CREATE OR REPLACE FUNCTION keep_einvoice_requests() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same invoices_einvoicerequest := NEW;
BEGIN
    same.state := OLD.state;
    IF OLD.state = 'requested' OR (OLD.state = 'issued' AND NEW.state = 'issued') THEN
        same.invoice_number := OLD.invoice_number;
        same.invoice_date := OLD.invoice_date;
        same.refusal := OLD.refusal;
        same.decided_by := OLD.decided_by;
        same.decided_at := OLD.decided_at;
    ELSIF OLD.state = 'issued' THEN
        same.red_number := OLD.red_number;
        same.red_date := OLD.red_date;
        same.red_reason := OLD.red_reason;
        same.reversed_by := OLD.reversed_by;
        same.reversed_at := OLD.reversed_at;
    END IF;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD
       OR (OLD.state, NEW.state) NOT IN (('requested', 'issued'), ('requested', 'refused'), ('requested', 'withdrawn'),
                                         ('issued', 'issued'), ('issued', 'reversed')) THEN
        RAISE EXCEPTION 'A request for a tax invoice only goes on to its next state; nothing else of it changes.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
