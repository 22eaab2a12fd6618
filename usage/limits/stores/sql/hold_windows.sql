-- For how many seconds nothing is admitted, and the present second. A hold begins where the row is missing; where the
-- clock shows a second before the last hold; and where it is beyond the latest second that the caller expects, unless a
-- hold has begun since: then time seems to have passed that has not.
CREATE OR REPLACE FUNCTION hold_windows(given timestamptz, latest bigint, OUT seconds_held bigint, OUT present bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    its usage_windowstore;
BEGIN
    present := present_second(given);
    SELECT * INTO its FROM usage_windowstore WHERE is_only AND table_id = tableoid;
    IF NOT FOUND OR present < its.held_from OR present > latest AND its.held_from <= latest THEN
        INSERT INTO usage_windowstore AS known (table_id, held_from, held_until)
        VALUES ('usage_windowstore'::regclass, present, present + 61)
            ON CONFLICT (is_only) DO UPDATE
           SET table_id = excluded.table_id, held_from = excluded.held_from, held_until = excluded.held_until
        RETURNING known.* INTO its;
    END IF;
    seconds_held := greatest(its.held_until - present, 0);
END
$$;
