-- The billing methods of the past are history: a period may only end earlier.
CREATE OR REPLACE FUNCTION keep_method_periods() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_methodperiod := NEW;
BEGIN
    same.ends_at := OLD.ends_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION 'The period of a billing method is never changed or deleted; it may only end earlier.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
