-- Raises unique_violation where one of the ids has just been admitted for another service of its customer. One that was
-- released, or has left its window, may be admitted anew.
CREATE OR REPLACE FUNCTION store_admitted(admitted usage_admittedcall[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    INSERT INTO usage_admittedcall AS there (call_id, customer_id, service_id, second, setbacks, tokens, state)
    SELECT new.call_id, new.customer_id, new.service_id, new.second, new.setbacks, new.tokens, new.state
      FROM unnest(admitted) AS new
     ORDER BY new.call_id, new.customer_id
        ON CONFLICT (call_id, customer_id) DO UPDATE
       SET second = excluded.second, setbacks = excluded.setbacks, tokens = excluded.tokens, state = excluded.state
     WHERE there.service_id = excluded.service_id;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < cardinality(admitted) THEN
        RAISE unique_violation
            USING MESSAGE = 'A call id was admitted for another service of its customer at the same time.';
    END IF;
END
$$;
