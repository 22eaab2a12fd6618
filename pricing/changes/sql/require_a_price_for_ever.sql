CREATE OR REPLACE FUNCTION require_a_price_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    item bigint;
    gap text;
BEGIN
    IF TG_TABLE_NAME = 'pricing_billingitem' THEN
        item := NEW.id;
    ELSIF TG_OP = 'INSERT' THEN
        item := NEW.billing_item_id;
    ELSE
        item := OLD.billing_item_id;
    END IF;
    -- One at a time, or two who each take away what the other relies on would both find no gap.
    PERFORM FROM pricing_billingitem WHERE id = item FOR NO KEY UPDATE;
    gap := gap_of_item(item);
    IF gap IS NOT NULL THEN
        RAISE EXCEPTION '%', gap
            USING ERRCODE = 'check_violation', TABLE = 'pricing_price', CONSTRAINT = 'an_item_on_sale_always_has_a_price';
    END IF;
    RETURN NULL;
END
$$;
