-- The window as it is in this second. Its time never goes back. While the clock shows a second before the window's, the
-- window goes on with the clock, ahead of it; once the clock shows a later one, the window follows the clock itself: if
-- the clock was put right, that is the second it is. So each second that passes counts once or not at all, and nothing
-- leaves the window before it has been there for 61 seconds.
CREATE OR REPLACE FUNCTION advanced_window(held usage_callwindow, present bigint) RETURNS usage_callwindow
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    nothing CONSTANT bigint[] := array_fill(0::bigint, ARRAY[61]);
    place integer;
BEGIN
    IF present >= held.second THEN
        held.ahead := 0;
    ELSE
        held.ahead := greatest(held.ahead, held.second - present);
        present := present + held.ahead;
    END IF;
    IF present > held.second + 60 THEN
        held.calls := nothing;
        held.tokens := nothing;
        held.calls_in_all := 0;
        held.tokens_in_all := 0;
        held.second := present;
    ELSE
        WHILE held.second < present LOOP
            held.second := held.second + 1;
            place := held.second % 61 + 1;
            held.calls_in_all := held.calls_in_all - held.calls[place];
            held.tokens_in_all := held.tokens_in_all - held.tokens[place];
            held.calls[place] := 0;
            held.tokens[place] := 0;
        END LOOP;
    END IF;
    RETURN held;
END
$$;
