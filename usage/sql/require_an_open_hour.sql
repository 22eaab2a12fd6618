-- What was closed was priced by the prices of its time: nothing about them may change afterwards. The first hour in
-- which a change makes a difference is held open like a reporter's, so that it cannot close meanwhile.
CREATE OR REPLACE FUNCTION require_an_open_hour() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    earliest timestamptz;
    same pricing_price;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        same := NEW;
        same.ends_at := OLD.ends_at;
        earliest := CASE WHEN same IS DISTINCT FROM OLD THEN LEAST(OLD.begins_at, NEW.begins_at)
                         WHEN NEW.ends_at IS DISTINCT FROM OLD.ends_at THEN LEAST(OLD.ends_at, NEW.ends_at) END;
    ELSE
        earliest := COALESCE(NEW.begins_at, OLD.begins_at);
    END IF;
    IF earliest IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM FROM hold_hours_open(ARRAY[date_trunc('hour', earliest, 'UTC')]) AS held
      WHERE held.hour < held.billing_hour;
    IF FOUND THEN
        RAISE EXCEPTION 'Hours in which this price would be in force are closed already: let it begin later, and re-rate what was charged.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$$;
