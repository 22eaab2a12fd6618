-- Settles each of these calls to what it used, or, where that is null, releases it; answers in their order what the call
-- was before: held, settled, released, or '' if it is no call of these customers (null: of any). One that is held for
-- another service (null: for none) is released: it was elsewhere.
CREATE OR REPLACE FUNCTION settle_calls(used json, given timestamptz DEFAULT NULL)
    RETURNS TABLE (place bigint, state text)
    LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    call record;
    customer_ids bigint[];
    service_ids bigint[];
    windows usage_callwindow[];
    present bigint;
    locked usage_admittedcall[];
    held usage_callwindow;
    changed usage_callwindow[] := '{}';
    known usage_admittedcall;
    ended usage_admittedcall[] := '{}';
    states text[] := array_fill(''::text, ARRAY[greatest(json_array_length(used), 1)]);
BEGIN
    SELECT array_agg(its.customer_id), array_agg(its.service_id) INTO customer_ids, service_ids
      FROM (
           SELECT DISTINCT seen.customer_id, seen.service_id
             FROM json_to_recordset(used) AS one (call_id text, customers bigint[])
            CROSS JOIN LATERAL (
                  SELECT * FROM usage_admittedcall AS its
                   WHERE its.call_id = one.call_id
                     AND (one.customers IS NULL OR its.customer_id = ANY(one.customers))
                  OFFSET 0 -- not to be planned as a join that reads the whole table
            ) AS seen
            ORDER BY seen.customer_id, seen.service_id
      ) AS its;
    windows := locked_windows(customer_ids, service_ids);
    locked := ARRAY(
        SELECT seen.its
          FROM (
               SELECT DISTINCT sent.call_id COLLATE "C" AS call_id, its.customer_id
                 FROM json_to_recordset(used) AS sent (call_id text, customers bigint[])
                CROSS JOIN LATERAL unnest(coalesce(sent.customers, customer_ids)) AS its (customer_id)
                ORDER BY call_id, customer_id
          ) AS one
         CROSS JOIN LATERAL (
               SELECT its FROM usage_admittedcall AS its
                WHERE (its.call_id, its.customer_id) = (one.call_id, one.customer_id) FOR NO KEY UPDATE
         ) AS seen
    );
    present := present_second(given);
    FOR call IN
        -- Only calls of these windows, whatever has happened to others meanwhile.
        SELECT one.place, seen AS known, its.nth AS its_window, one.service <> its.service_id AS is_elsewhere,
               CASE WHEN one.service <> its.service_id THEN NULL ELSE one.tokens END AS tokens,
               row_number() OVER (PARTITION BY one.call_id, seen.customer_id ORDER BY one.place) > 1 AS is_again
          FROM ROWS FROM (
               json_to_recordset(used) AS (call_id text, tokens bigint, customers bigint[], service bigint)
          ) WITH ORDINALITY AS one (call_id, tokens, customers, service, place)
          JOIN unnest(locked) AS seen ON seen.call_id = one.call_id
          JOIN unnest(customer_ids, service_ids) WITH ORDINALITY AS its (customer_id, service_id, nth)
            ON (its.customer_id, its.service_id) = (seen.customer_id, seen.service_id)
         WHERE one.customers IS NULL OR seen.customer_id = ANY(one.customers)
         ORDER BY its.nth, one.place
    LOOP
        known := call.known;
        IF call.is_again AND known.state = 'held' THEN
            SELECT * INTO STRICT known FROM unnest(ended) AS new
             WHERE (new.call_id, new.customer_id) = (known.call_id, known.customer_id);
        END IF;
        IF held.customer_id IS DISTINCT FROM known.customer_id OR held.service_id IS DISTINCT FROM known.service_id
        THEN
            changed := changed || held;
            held := advanced_window(windows[call.its_window], present);
        END IF;
        states[call.place] := known.state;
        CONTINUE WHEN known.state <> 'held';
        IF call.is_elsewhere THEN
            states[call.place] := 'elsewhere';
        END IF;
        IF counts_in(held, known) THEN
            held := counted_in_window(
                held, known.second, CASE WHEN call.tokens IS NULL THEN -1 ELSE 0 END,
                coalesce(call.tokens, 0) - known.tokens
            );
        END IF;
        known.state := CASE WHEN call.tokens IS NULL THEN 'released' ELSE 'settled' END;
        known.tokens := coalesce(call.tokens, known.tokens);
        ended := ended || known;
    END LOOP;
    PERFORM keep_windows(changed || held);
    INSERT INTO usage_admittedcall SELECT * FROM unnest(ended)
        ON CONFLICT (call_id, customer_id) DO UPDATE SET state = excluded.state, tokens = excluded.tokens;
    RETURN QUERY SELECT its.place, its.state FROM unnest(states) WITH ORDINALITY AS its (state, place)
                  WHERE its.place <= json_array_length(used) ORDER BY its.place;
END
$$;
