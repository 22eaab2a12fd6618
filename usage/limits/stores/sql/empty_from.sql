-- When the last of these will have left the window, if nothing is added.
CREATE OR REPLACE FUNCTION empty_from(places bigint[], newest bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    FOR age IN 0 .. 60 LOOP
        IF places[(newest - age) % 61 + 1] <> 0 THEN
            RETURN newest - age + 61;
        END IF;
    END LOOP;
    RETURN newest;
END
$$;
