-- The window with this many more calls and tokens (or fewer) in that second.
CREATE OR REPLACE FUNCTION counted_in_window(held usage_callwindow, its_second bigint, more_calls bigint, more_tokens bigint)
    RETURNS usage_callwindow LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place CONSTANT integer := its_second % 61 + 1;
BEGIN
    held.calls[place] := held.calls[place] + more_calls;
    held.tokens[place] := held.tokens[place] + more_tokens;
    held.calls_in_all := held.calls_in_all + more_calls;
    held.tokens_in_all := held.tokens_in_all + more_tokens;
    RETURN held;
END
$$;
