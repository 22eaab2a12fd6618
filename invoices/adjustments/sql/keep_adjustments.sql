-- A credit or charge by hand is decided once, and nothing else of it changes.
CREATE OR REPLACE FUNCTION keep_adjustments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same invoices_adjustment := NEW;
BEGIN
    same.decision := OLD.decision;
    same.decided_by := OLD.decided_by;
    same.decided_at := OLD.decided_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD OR OLD.decision <> '' THEN
        RAISE EXCEPTION 'A credit or charge by hand is never changed or deleted; it is decided once.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
