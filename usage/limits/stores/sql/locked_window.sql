-- The window of this customer and service, as it was left; locked until the transaction ends.
CREATE OR REPLACE FUNCTION locked_window(its_customer bigint, its_service bigint) RETURNS usage_callwindow
    LANGUAGE plpgsql AS $$
DECLARE
    held usage_callwindow;
BEGIN
    SELECT * INTO held FROM usage_callwindow
     WHERE customer_id = its_customer AND service_id = its_service FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO usage_callwindow
               (customer_id, service_id, second, calls, tokens, calls_in_all, tokens_in_all, setbacks)
        VALUES (its_customer, its_service, 0, array_fill(0::bigint, ARRAY[61]), array_fill(0::bigint, ARRAY[61]),
                0, 0, 0)
            ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT held FROM usage_callwindow
         WHERE customer_id = its_customer AND service_id = its_service FOR NO KEY UPDATE;
    END IF;
    RETURN held;
END
$$;
