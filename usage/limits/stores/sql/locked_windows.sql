-- All windows that a trip needs. Nobody waits in a circle, for every trip locks its windows first, in the order of
-- their keys, and then what calls it has to, in the order of their ids. Only then is the clock read: who waited for a
-- lock must not count in the past.
CREATE OR REPLACE FUNCTION locked_windows(customers bigint[], services bigint[]) RETURNS usage_callwindow[]
    LANGUAGE plpgsql AS $$
DECLARE
    one record;
    locked usage_callwindow[] := '{}';
BEGIN
    FOR one IN
        SELECT DISTINCT customer, service FROM unnest(customers, services) AS its (customer, service)
         ORDER BY customer, service
    LOOP
        locked := locked || locked_window(one.customer, one.service);
    END LOOP;
    RETURN locked;
END
$$;
