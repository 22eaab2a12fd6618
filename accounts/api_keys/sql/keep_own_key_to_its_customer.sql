-- A customer's own key acts for that customer only, for ever: it cannot be given others, nor another owner.
CREATE OR REPLACE FUNCTION keep_own_key_to_its_customer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
BEGIN
    IF TG_TABLE_NAME = 'accounts_servicekey' THEN
        IF NEW.customer_id IS NOT DISTINCT FROM OLD.customer_id THEN
            RETURN NEW;
        END IF;
    ELSE
        SELECT customer_id INTO owner FROM accounts_servicekey WHERE id = NEW.servicekey_id;
        IF owner IS NULL OR owner = NEW.customer_id THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'A customer''s own key acts for that customer only.'
        USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$
