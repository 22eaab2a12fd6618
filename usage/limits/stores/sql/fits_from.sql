-- The first second in which such a call would be within the limits, if nothing is added.
CREATE OR REPLACE FUNCTION fits_from(held usage_callwindow, asked_tokens bigint, rpm bigint, tpm bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place integer;
BEGIN
    FOR later IN 1 .. 61 LOOP
        place := (held.second + later) % 61 + 1; -- of the second that leaves when that one begins
        held.calls_in_all := held.calls_in_all - held.calls[place];
        held.tokens_in_all := held.tokens_in_all - held.tokens[place];
        IF held.calls_in_all < rpm AND (tpm IS NULL OR held.tokens_in_all + asked_tokens <= tpm) THEN
            RETURN held.second + later;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
