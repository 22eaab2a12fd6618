CREATE OR REPLACE FUNCTION advanced_window(held usage_callwindow, present bigint) RETURNS usage_callwindow
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    nothing CONSTANT bigint[] := array_fill(0::bigint, ARRAY[61]);
    place integer;
BEGIN
    IF present < held.second - 60 THEN
        held.calls := nothing;
        held.tokens := nothing;
        held.calls[present % 61 + 1] := held.calls_in_all;
        held.tokens[present % 61 + 1] := held.tokens_in_all;
        held.setbacks := held.setbacks + 1;
        held.second := present;
    ELSIF present > held.second + 60 THEN
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

CREATE OR REPLACE FUNCTION keep_windows(changed usage_callwindow[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_callwindow SELECT * FROM unnest(changed) WHERE customer_id IS NOT NULL
        ON CONFLICT (customer_id, service_id) DO UPDATE
       SET second = excluded.second, calls = excluded.calls, tokens = excluded.tokens,
           calls_in_all = excluded.calls_in_all, tokens_in_all = excluded.tokens_in_all, setbacks = excluded.setbacks;
END
$$;

CREATE OR REPLACE FUNCTION look_at_windows(whose json, given timestamptz DEFAULT NULL)
    RETURNS TABLE (second bigint, calls bigint, tokens bigint, calls_reset bigint, tokens_reset bigint)
    LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT coalesce(held.second, present.second), coalesce(held.calls_in_all, 0), coalesce(held.tokens_in_all, 0),
           coalesce(empty_from(held.calls, held.second), present.second),
           coalesce(empty_from(held.tokens, held.second), present.second)
      FROM present_second(given) AS present (second)
     CROSS JOIN ROWS FROM (json_to_recordset(whose) AS (customer bigint, service bigint))
           WITH ORDINALITY AS one (customer, service, place)
      LEFT JOIN LATERAL (
           SELECT its.* FROM usage_callwindow AS its
            WHERE its.customer_id = one.customer AND its.service_id = one.service LIMIT 1) AS kept ON true
      LEFT JOIN LATERAL (
           SELECT its.* FROM advanced_window(kept, present.second) AS its WHERE kept.second IS NOT NULL
      ) AS held ON true
     ORDER BY one.place
$$;
