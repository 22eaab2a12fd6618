-- Counts calls that happened without having been admitted, in the present second.
CREATE OR REPLACE FUNCTION count_calls(happened json, given timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    one record;
    windows usage_callwindow[];
    present bigint;
    held usage_callwindow;
    changed usage_callwindow[] := '{}';
BEGIN
    SELECT locked_windows(array_agg(customer), array_agg(service)) INTO windows
      FROM json_to_recordset(happened) AS (customer bigint, service bigint);
    present := present_second(given);
    FOR one IN
        SELECT sum(calls)::bigint AS calls, sum(tokens)::bigint AS tokens,
               row_number() OVER (ORDER BY customer, service) AS its_window
          FROM json_to_recordset(happened) AS (customer bigint, service bigint, calls bigint, tokens bigint)
         GROUP BY customer, service
    LOOP
        held := advanced_window(windows[one.its_window], present);
        changed := changed || counted_in_window(held, held.second, one.calls, one.tokens);
    END LOOP;
    PERFORM keep_windows(changed);
END
$$;
