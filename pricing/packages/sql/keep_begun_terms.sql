-- What a product was sold for is history: terms that have begun can only have their end moved, into the future or to the
-- transaction's own instant.
CREATE OR REPLACE FUNCTION keep_begun_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_packageterms := NEW;
BEGIN
    IF OLD.begins_at > now() THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    same.ends_at := OLD.ends_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD
       OR NEW.ends_at IS DISTINCT FROM OLD.ends_at AND (OLD.ends_at <= now() OR NEW.ends_at < now()) THEN
        RAISE EXCEPTION 'These terms have begun: only their end can still be moved, and not into the past.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
