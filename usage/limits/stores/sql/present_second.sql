-- An instant that is given is a test's.
CREATE OR REPLACE FUNCTION present_second(given timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM coalesce(given, clock_timestamp())))::bigint
$$;
