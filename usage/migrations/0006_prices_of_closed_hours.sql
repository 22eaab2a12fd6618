-- What was closed was priced by the prices of its time: none may be put there afterwards. The hour is held open
-- like a reporter's, so that it cannot close meanwhile.
CREATE FUNCTION require_an_open_hour() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM hold_hours_open(ARRAY[date_trunc('hour', NEW.begins_at, 'UTC')]) AS held
      WHERE held.hour < held.billing_hour;
    IF FOUND THEN
        RAISE EXCEPTION 'Hours in which this price would be in force are closed already: let it begin later, and re-rate what was charged.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER a_price_begins_in_an_open_hour BEFORE INSERT ON pricing_price
    FOR EACH ROW EXECUTE FUNCTION require_an_open_hour();
-- Only what has not begun can be moved at all (pricing: a_begun_price_only_moves_its_end).
CREATE TRIGGER a_price_begins_in_an_open_hour_when_moved BEFORE UPDATE OF begins_at ON pricing_price
    FOR EACH ROW WHEN (NEW.begins_at <> OLD.begins_at) EXECUTE FUNCTION require_an_open_hour();
