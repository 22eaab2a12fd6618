CREATE OR REPLACE FUNCTION require_a_price_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
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

DROP FUNCTION gap_of_item(bigint);
