-- What a limit has been is history: a call specification that has begun can only have its end moved, into the future
-- or to the transaction's own instant, which takes nothing away from what has been.
CREATE OR REPLACE FUNCTION keep_begun_specifications() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_callspecification := NEW;
BEGIN
    IF OLD.begins_at > now() THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    same.ends_at := OLD.ends_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'This call specification has begun: only its end can still be moved.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    IF NEW.ends_at IS DISTINCT FROM OLD.ends_at AND (OLD.ends_at <= now() OR NEW.ends_at < now()) THEN
        RAISE EXCEPTION 'The end of a call specification that has begun can only be moved from the future, and not into the past.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
