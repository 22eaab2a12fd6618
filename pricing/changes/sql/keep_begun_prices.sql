-- What a price has been is history: a price that has begun can only have its end moved, into the future.
CREATE OR REPLACE FUNCTION keep_begun_prices() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_price := NEW;
BEGIN
    IF OLD.begins_at > now() THEN
        IF TG_OP = 'UPDATE' AND NEW.billing_item_id <> OLD.billing_item_id THEN
            RAISE EXCEPTION 'A price stays with its billing item.'
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
        END IF;
        RETURN COALESCE(NEW, OLD);
    END IF;
    same.ends_at := OLD.ends_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'This price has begun: only its end can still be moved.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    IF NEW.ends_at IS DISTINCT FROM OLD.ends_at AND (OLD.ends_at <= now() OR NEW.ends_at <= now()) THEN
        RAISE EXCEPTION 'The end of a price that has begun can only be moved from the future into the future.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;
