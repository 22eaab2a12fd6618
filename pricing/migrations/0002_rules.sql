-- What a price has been is history: a price that has begun can only have its end moved, into the future.
CREATE FUNCTION keep_begun_prices() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER a_begun_price_only_moves_its_end BEFORE UPDATE OR DELETE ON pricing_price
    FOR EACH ROW EXECUTE FUNCTION keep_begun_prices();

-- From its first price on, an item's prices for everybody leave no gap and have no end. Checked at commit,
-- so that a successor can be entered after the end of its predecessor.
CREATE FUNCTION require_a_price_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    item bigint;
    covered tstzmultirange;
BEGIN
    IF TG_TABLE_NAME = 'pricing_billingitem' THEN
        item := NEW.id;
    ELSIF TG_OP = 'INSERT' THEN
        item := NEW.billing_item_id;
    ELSE
        item := OLD.billing_item_id;
    END IF;
    SELECT range_agg(tstzrange(begins_at, ends_at)) INTO covered
      FROM pricing_price WHERE billing_item_id = item AND customer_id IS NULL;
    IF covered IS NULL OR NOT upper_inf(covered) OR covered <> multirange(range_merge(covered)) THEN
        RAISE EXCEPTION 'This item would be without a price for everybody: end a price only where another takes over.'
            USING ERRCODE = 'check_violation', TABLE = 'pricing_price', CONSTRAINT = 'an_item_on_sale_always_has_a_price';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER an_item_on_sale_always_has_a_price AFTER INSERT OR UPDATE OR DELETE ON pricing_price
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_price_for_ever();
CREATE CONSTRAINT TRIGGER an_item_on_sale_always_has_a_price AFTER INSERT ON pricing_billingitem
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_price_for_ever();
