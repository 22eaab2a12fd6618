-- Call limits (docs/call-limits.md): the same as before, with so many statements for a trip and not for each of its
-- calls: whatever a statement writes, PostgreSQL looks up each time anew what has to be checked.
--
-- No statement here may read a whole table, however small it was when the statement was planned: plans are kept.
DROP FUNCTION admit_calls(json, timestamptz);
DROP FUNCTION try_to_admit_calls(json, timestamptz);
DROP FUNCTION settle_calls(json, timestamptz);
DROP FUNCTION count_calls(json, timestamptz);
DROP FUNCTION count_refused(usage_refusedcalls[]);
DROP FUNCTION keep_window(usage_callwindow);

-- An insert finds its row by the key, whatever the planner knows of the table. Whoever has none yet hands on a null.
CREATE FUNCTION keep_windows(changed usage_callwindow[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_callwindow SELECT * FROM unnest(changed) WHERE customer_id IS NOT NULL
        ON CONFLICT (customer_id, service_id) DO UPDATE
       SET second = excluded.second, calls = excluded.calls, tokens = excluded.tokens,
           calls_in_all = excluded.calls_in_all, tokens_in_all = excluded.tokens_in_all, setbacks = excluded.setbacks;
END
$$;

CREATE FUNCTION count_refused(refused usage_refusedcalls[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_refusedcalls AS counted (customer_id, service_id, hour, refusal, calls)
    SELECT one.customer_id, one.service_id, one.hour, one.refusal, count(*)
      FROM unnest(refused) AS one
     GROUP BY one.customer_id, one.service_id, one.hour, one.refusal
     ORDER BY one.customer_id, one.service_id, one.hour, one.refusal
        ON CONFLICT (customer_id, service_id, hour, refusal) DO UPDATE SET calls = counted.calls + excluded.calls;
END
$$;

-- Admits each of these calls that is within its limits, and answers for each, by place; under another name than before,
-- for who asked before relied on the order of the rows. Raises unique_violation where one of the ids has just been
-- admitted for somebody else: that is committed by now, and will be seen by who asks again.
CREATE FUNCTION admit_trip(asked json, given timestamptz DEFAULT NULL) RETURNS SETOF call_standing
    LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    call record;
    windows usage_callwindow[];
    present bigint;
    held usage_callwindow;
    changed usage_callwindow[] := '{}';
    known usage_admittedcall;
    standing call_standing;
    new_ids text[] := '{}';
    admitted usage_admittedcall[] := '{}';
    refused usage_refusedcalls[] := '{}';
    one_refused usage_refusedcalls;
BEGIN
    SELECT locked_windows(array_agg(customer), array_agg(service)) INTO windows
      FROM json_to_recordset(asked) AS (customer bigint, service bigint);
    present := present_second(given);
    FOR call IN
        SELECT one.*, dense_rank() OVER (ORDER BY one.customer, one.service) AS its_window,
               count(*) OVER (PARTITION BY one.call_id) > 1 AS is_asked_twice, seen.known
          FROM ROWS FROM (
               json_to_recordset(asked)
               AS (call_id text, customer bigint, service bigint, tokens bigint, rpm bigint, tpm bigint)
          ) WITH ORDINALITY AS one (call_id, customer, service, tokens, rpm, tpm, place)
          LEFT JOIN LATERAL (
               SELECT its AS known FROM usage_admittedcall AS its WHERE its.call_id = one.call_id LIMIT 1
          ) AS seen ON true
         ORDER BY one.customer, one.service, one.place
    LOOP
        IF held.customer_id IS DISTINCT FROM call.customer OR held.service_id IS DISTINCT FROM call.service THEN
            changed := changed || held;
            held := advanced_window(windows[call.its_window], present);
        END IF;
        known := call.known;
        IF call.is_asked_twice AND call.call_id = ANY(new_ids) THEN
            SELECT * INTO known FROM unnest(admitted) AS new WHERE new.call_id = call.call_id;
        END IF;
        IF known.state = 'released' OR known.state = 'held' AND (known.customer_id, known.service_id)
           = (call.customer, call.service) AND NOT counts_in(held, known) THEN
            known.state := NULL;
        END IF;
        standing.place := call.place;
        standing.second := held.second;
        standing.present := present;
        standing.refusal := CASE
            WHEN (known.customer_id, known.service_id) <> (call.customer, call.service) THEN 'other_call'
            WHEN known.state = 'settled' THEN 'ended'
            WHEN known.tokens <> call.tokens AND known.state = 'held' THEN 'other_call'
            WHEN known.state = 'held' THEN ''
            WHEN call.rpm < 1 OR call.tokens > call.tpm THEN 'never'
            WHEN held.calls_in_all >= call.rpm THEN 'rpm_exhausted'
            WHEN held.tokens_in_all + call.tokens > call.tpm THEN 'tpm_exhausted'
            ELSE '' END;
        standing.passes_at := NULL;
        IF standing.refusal IN ('rpm_exhausted', 'tpm_exhausted') THEN
            standing.passes_at := fits_from(held, call.tokens, call.rpm, call.tpm);
        END IF;
        IF standing.refusal IN ('rpm_exhausted', 'tpm_exhausted', 'never') THEN
            one_refused.customer_id := call.customer;
            one_refused.service_id := call.service;
            one_refused.hour := to_timestamp(held.second / 3600 * 3600);
            one_refused.refusal := standing.refusal;
            refused := refused || one_refused;
        ELSIF standing.refusal = '' AND known.state IS NULL THEN
            held := counted_in_window(held, held.second, 1, call.tokens);
            known.call_id := call.call_id;
            known.customer_id := call.customer;
            known.service_id := call.service;
            known.second := held.second;
            known.setbacks := held.setbacks;
            known.tokens := call.tokens;
            known.state := 'held';
            new_ids := new_ids || call.call_id;
            admitted := admitted || known;
        END IF;
        standing.calls_left := greatest(call.rpm - held.calls_in_all, 0);
        standing.tokens_left := CASE WHEN call.tpm IS NOT NULL THEN greatest(call.tpm - held.tokens_in_all, 0) END;
        standing.calls_reset := empty_from(held.calls, held.second);
        standing.tokens_reset := empty_from(held.tokens, held.second);
        RETURN NEXT standing;
    END LOOP;
    PERFORM keep_windows(changed || held);
    IF new_ids <> '{}' THEN
        PERFORM store_admitted(admitted);
    END IF;
    IF refused <> '{}' THEN
        PERFORM count_refused(refused);
    END IF;
END
$$;

-- Settles each of these calls to what it used, or, where that is null, releases it; answers in their order what the
-- call was before: held, settled, released, or '' if unknown to these customers (null: to anybody). One that is held
-- for another service (null: for none) is released: it was elsewhere.
CREATE FUNCTION settle_calls(used json, given timestamptz DEFAULT NULL) RETURNS TABLE (place bigint, state text)
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
                  SELECT * FROM usage_admittedcall AS its WHERE its.call_id = one.call_id LIMIT 1
            ) AS seen
            WHERE one.customers IS NULL OR seen.customer_id = ANY(one.customers)
            ORDER BY seen.customer_id, seen.service_id
      ) AS its;
    windows := locked_windows(customer_ids, service_ids);
    locked := ARRAY(
        SELECT seen.its
          FROM (
               SELECT DISTINCT call_id COLLATE "C" AS call_id FROM json_to_recordset(used) AS one (call_id text)
                ORDER BY call_id
          ) AS one
         CROSS JOIN LATERAL (
               SELECT its FROM usage_admittedcall AS its WHERE its.call_id = one.call_id FOR NO KEY UPDATE
         ) AS seen
    );
    present := present_second(given);
    FOR call IN
        -- Only calls of these windows, whatever has happened to others meanwhile.
        SELECT one.place, seen AS known, its.nth AS its_window, one.service <> its.service_id AS is_elsewhere,
               CASE WHEN one.service <> its.service_id THEN NULL ELSE one.tokens END AS tokens,
               row_number() OVER (PARTITION BY one.call_id ORDER BY one.place) > 1 AS is_again
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
            SELECT * INTO STRICT known FROM unnest(ended) AS new WHERE new.call_id = known.call_id;
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
        ON CONFLICT (call_id) DO UPDATE SET state = excluded.state, tokens = excluded.tokens;
    RETURN QUERY SELECT its.place, its.state FROM unnest(states) WITH ORDINALITY AS its (state, place)
                  WHERE its.place <= json_array_length(used) ORDER BY its.place;
END
$$;

-- Counts calls that happened without having been admitted, in the present second.
CREATE FUNCTION count_calls(happened json, given timestamptz DEFAULT NULL) RETURNS void
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

-- What the windows of these customers and services hold, in their order, without holding anybody up.
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
