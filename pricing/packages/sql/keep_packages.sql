-- A quota package is what was bought: it may end once, and nothing else about it changes.
CREATE OR REPLACE FUNCTION keep_packages() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_quotapackage := NEW;
BEGIN
    same.ended_at := OLD.ended_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD OR OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'A quota package is never changed or deleted; it may end before it expires, once.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
