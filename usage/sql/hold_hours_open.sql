CREATE OR REPLACE FUNCTION hold_hours_open(own timestamptz[]) RETURNS TABLE (hour timestamptz, billing_hour timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    ascending timestamptz[] := ARRAY(SELECT DISTINCT each FROM unnest(own) AS each ORDER BY each);
    each timestamptz;
    last timestamptz;
    before timestamptz;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'Reporting needs READ COMMITTED, this transaction is %.',
            upper(current_setting('transaction_isolation'));
    END IF;
    -- In ascending order, so that two reporters never wait for each other.
    FOREACH each IN ARRAY ascending LOOP
        PERFORM share_hour(each);
    END LOOP;
    last := (SELECT max(closed.hour) FROM usage_billinghour AS closed);
    IF last IS NULL THEN
        -- Nothing is closed yet: share the beginning, which the very first closing takes for itself.
        PERFORM share_hour('epoch');
        last := (SELECT max(closed.hour) FROM usage_billinghour AS closed);
    END IF;
    -- What is closed already is billed in the earliest open hour, which must then be held open too.
    WHILE ascending[1] <= last LOOP
        PERFORM share_hour(last + interval '1 hour');
        before := last;
        last := (SELECT max(closed.hour) FROM usage_billinghour AS closed);
        EXIT WHEN last = before;
    END LOOP;
    RETURN QUERY SELECT each_own, CASE WHEN each_own <= last THEN last + interval '1 hour' ELSE each_own END
                   FROM unnest(ascending) AS each_own;
END
$$;
