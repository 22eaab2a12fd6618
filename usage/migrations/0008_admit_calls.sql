-- The window as it is in this second. It never goes back, so that a clock which does lets nobody call twice; only
-- one that was more than a window ahead is believed, and then everything counts in the present second.
CREATE FUNCTION advanced_window(held usage_callwindow, present bigint) RETURNS usage_callwindow
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

-- An instant that is given is a test's.
CREATE FUNCTION present_second(given timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM coalesce(given, clock_timestamp())))::bigint
$$;

-- The window of this customer and service, as it was left; locked until the transaction ends.
CREATE FUNCTION locked_window(its_customer bigint, its_service bigint) RETURNS usage_callwindow
    LANGUAGE plpgsql AS $$
DECLARE
    held usage_callwindow;
BEGIN
    SELECT * INTO held FROM usage_callwindow
     WHERE customer_id = its_customer AND service_id = its_service FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO usage_callwindow
               (customer_id, service_id, second, calls, tokens, calls_in_all, tokens_in_all, setbacks)
        VALUES (its_customer, its_service, 0, array_fill(0::bigint, ARRAY[61]), array_fill(0::bigint, ARRAY[61]),
                0, 0, 0)
            ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT held FROM usage_callwindow
         WHERE customer_id = its_customer AND service_id = its_service FOR NO KEY UPDATE;
    END IF;
    RETURN held;
END
$$;

-- All windows that a trip needs. Nobody waits in a circle, for every trip locks its windows first, in the order of
-- their keys, and then what calls it has to, in the order of their ids. Only then is the clock read: who waited for a
-- lock must not count in the past.
CREATE FUNCTION locked_windows(customers bigint[], services bigint[]) RETURNS usage_callwindow[]
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

CREATE FUNCTION keep_window(held usage_callwindow) RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE usage_callwindow
       SET second = held.second, calls = held.calls, tokens = held.tokens, calls_in_all = held.calls_in_all,
           tokens_in_all = held.tokens_in_all, setbacks = held.setbacks
     WHERE customer_id = held.customer_id AND service_id = held.service_id
$$;

-- The window with this many more calls and tokens (or fewer) in that second.
CREATE FUNCTION counted_in_window(held usage_callwindow, its_second bigint, more_calls bigint, more_tokens bigint)
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

-- Whether the second in which this call was admitted is still one of the 61.
CREATE FUNCTION counts_in(held usage_callwindow, call usage_admittedcall) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT call.second BETWEEN held.second - 60 AND held.second AND call.setbacks = held.setbacks
$$;

-- When the last of these will have left the window, if nothing is added.
CREATE FUNCTION empty_from(places bigint[], newest bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    FOR age IN 0 .. 60 LOOP
        IF places[(newest - age) % 61 + 1] <> 0 THEN
            RETURN newest - age + 61;
        END IF;
    END LOOP;
    RETURN newest;
END
$$;

-- The first second in which such a call would be within the limits, if nothing is added.
CREATE FUNCTION fits_from(held usage_callwindow, asked_tokens bigint, rpm bigint, tpm bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place integer;
BEGIN
    FOR later IN 1 .. 61 LOOP
        place := (held.second + later) % 61 + 1; -- of the second that leaves when that one begins
        held.calls_in_all := held.calls_in_all - held.calls[place];
        held.tokens_in_all := held.tokens_in_all - held.tokens[place];
        IF held.calls_in_all < rpm AND (tpm IS NULL OR held.tokens_in_all + asked_tokens <= tpm) THEN
            RETURN held.second + later;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TYPE call_standing AS (
    place bigint, refusal text, second bigint, present bigint, calls_left bigint, tokens_left bigint,
    calls_reset bigint, tokens_reset bigint, passes_at bigint
);

-- Raises unique_violation where one of the ids has just been admitted for somebody else. One that was released, or has
-- left its window, may be admitted anew.
CREATE FUNCTION store_admitted(admitted usage_admittedcall[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    INSERT INTO usage_admittedcall AS there (call_id, customer_id, service_id, second, setbacks, tokens, state)
    SELECT new.call_id, new.customer_id, new.service_id, new.second, new.setbacks, new.tokens, new.state
      FROM unnest(admitted) AS new
     ORDER BY new.call_id
        ON CONFLICT (call_id) DO UPDATE
       SET second = excluded.second, setbacks = excluded.setbacks, tokens = excluded.tokens, state = excluded.state
     WHERE (there.customer_id, there.service_id) = (excluded.customer_id, excluded.service_id);
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < cardinality(admitted) THEN
        RAISE unique_violation USING MESSAGE = 'A call id was admitted for somebody else at the same time.';
    END IF;
END
$$;

CREATE FUNCTION count_refused(refused usage_refusedcalls[]) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO usage_refusedcalls AS counted (customer_id, service_id, hour, refusal, calls)
    SELECT one.customer_id, one.service_id, one.hour, one.refusal, count(*)
      FROM unnest(refused) AS one
     GROUP BY one.customer_id, one.service_id, one.hour, one.refusal
     ORDER BY one.customer_id, one.service_id, one.hour, one.refusal
        ON CONFLICT (customer_id, service_id, hour, refusal) DO UPDATE SET calls = counted.calls + excluded.calls
$$;

CREATE FUNCTION try_to_admit_calls(asked json, given timestamptz) RETURNS SETOF call_standing
    LANGUAGE plpgsql AS $$
DECLARE
    call record;
    windows usage_callwindow[];
    present bigint;
    held usage_callwindow;
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
        SELECT one.*, dense_rank() OVER (ORDER BY one.customer, one.service) AS its_window
          FROM ROWS FROM (
               json_to_recordset(asked)
               AS (call_id text, customer bigint, service bigint, tokens bigint, rpm bigint, tpm bigint)
          ) WITH ORDINALITY AS one (call_id, customer, service, tokens, rpm, tpm, place)
         ORDER BY one.customer, one.service, one.place
    LOOP
        IF held.customer_id IS DISTINCT FROM call.customer OR held.service_id IS DISTINCT FROM call.service THEN
            PERFORM keep_window(held);
            held := advanced_window(windows[call.its_window], present);
        END IF;
        SELECT * INTO known FROM usage_admittedcall WHERE call_id = call.call_id;
        IF call.call_id = ANY(new_ids) THEN
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
    PERFORM keep_window(held);
    IF new_ids <> '{}' THEN
        PERFORM store_admitted(admitted);
    END IF;
    IF refused <> '{}' THEN
        PERFORM count_refused(refused);
    END IF;
END
$$;

-- Admits each of these calls that is within its limits, and answers for each, in their order.
CREATE FUNCTION admit_calls(asked json, given timestamptz DEFAULT NULL) RETURNS SETOF call_standing
    LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        BEGIN
            RETURN QUERY SELECT * FROM try_to_admit_calls(asked, given) AS standing ORDER BY standing.place;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- that admission is committed by now, and will be seen
        END;
    END LOOP;
END
$$;

-- Settles each of these calls to what it used, or, where that is null, releases it; answers in their order what the
-- call was before: held, settled, released, or '' if unknown to these customers (null: to anybody). One that is held
-- for another service (null: for none) is released: it was elsewhere.
CREATE FUNCTION settle_calls(used json, given timestamptz DEFAULT NULL) RETURNS TABLE (place bigint, state text)
    LANGUAGE plpgsql AS $$
DECLARE
    call record;
    customer_ids bigint[];
    service_ids bigint[];
    windows usage_callwindow[];
    present bigint;
    ids text[];
    held usage_callwindow;
    known usage_admittedcall;
    states text[] := array_fill(''::text, ARRAY[greatest(json_array_length(used), 1)]);
BEGIN
    SELECT array_agg(its.customer_id), array_agg(its.service_id) INTO customer_ids, service_ids
      FROM (
           SELECT DISTINCT seen.customer_id, seen.service_id
             FROM json_to_recordset(used) AS one (call_id text, customers bigint[])
             JOIN usage_admittedcall AS seen ON seen.call_id = one.call_id
            WHERE one.customers IS NULL OR seen.customer_id = ANY(one.customers)
            ORDER BY seen.customer_id, seen.service_id
      ) AS its;
    windows := locked_windows(customer_ids, service_ids);
    -- Only calls of these windows, whatever has happened to others meanwhile.
    ids := ARRAY(
        SELECT seen.call_id FROM usage_admittedcall AS seen
         WHERE seen.call_id IN (SELECT one.call_id FROM json_to_recordset(used) AS one (call_id text))
           AND (seen.customer_id, seen.service_id) IN (SELECT * FROM unnest(customer_ids, service_ids))
         ORDER BY seen.call_id FOR NO KEY UPDATE
    );
    present := present_second(given);
    FOR call IN
        SELECT one.call_id, one.place, its.nth AS its_window, one.service <> its.service_id AS is_elsewhere,
               CASE WHEN one.service <> its.service_id THEN NULL ELSE one.tokens END AS tokens
          FROM ROWS FROM (
               json_to_recordset(used) AS (call_id text, tokens bigint, customers bigint[], service bigint)
          ) WITH ORDINALITY AS one (call_id, tokens, customers, service, place)
          JOIN unnest(ids) AS locked (call_id) ON locked.call_id = one.call_id
          JOIN usage_admittedcall AS seen ON seen.call_id = one.call_id
          JOIN unnest(customer_ids, service_ids) WITH ORDINALITY AS its (customer_id, service_id, nth)
            ON (its.customer_id, its.service_id) = (seen.customer_id, seen.service_id)
         WHERE one.customers IS NULL OR seen.customer_id = ANY(one.customers)
         ORDER BY its.nth, one.place
    LOOP
        SELECT * INTO STRICT known FROM usage_admittedcall AS seen WHERE seen.call_id = call.call_id;
        IF held.customer_id IS DISTINCT FROM known.customer_id OR held.service_id IS DISTINCT FROM known.service_id
        THEN
            PERFORM keep_window(held);
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
        UPDATE usage_admittedcall AS seen
           SET state = CASE WHEN call.tokens IS NULL THEN 'released' ELSE 'settled' END,
               tokens = coalesce(call.tokens, seen.tokens)
         WHERE seen.call_id = call.call_id;
    END LOOP;
    PERFORM keep_window(held);
    RETURN QUERY SELECT its.place, its.state FROM unnest(states) WITH ORDINALITY AS its (state, place)
                  WHERE its.place <= json_array_length(used) ORDER BY its.place;
END
$$;

-- Counts calls that happened without having been admitted, in the present second.
CREATE FUNCTION count_calls(happened json, given timestamptz DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    windows usage_callwindow[];
    present bigint;
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
        PERFORM keep_window(counted_in_window(held, held.second, one.calls, one.tokens))
           FROM advanced_window(windows[one.its_window], present) AS held;
    END LOOP;
END
$$;

-- What the windows of these customers and services hold, in their order, without holding anybody up.
CREATE FUNCTION look_at_windows(whose json, given timestamptz DEFAULT NULL)
    RETURNS TABLE (second bigint, calls bigint, tokens bigint, calls_reset bigint, tokens_reset bigint)
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(held.second, present.second), coalesce(held.calls_in_all, 0), coalesce(held.tokens_in_all, 0),
           coalesce(empty_from(held.calls, held.second), present.second),
           coalesce(empty_from(held.tokens, held.second), present.second)
      FROM present_second(given) AS present (second)
     CROSS JOIN ROWS FROM (json_to_recordset(whose) AS (customer bigint, service bigint))
           WITH ORDINALITY AS one (customer, service, place)
      LEFT JOIN usage_callwindow AS kept ON kept.customer_id = one.customer AND kept.service_id = one.service
      LEFT JOIN LATERAL (
           SELECT its.* FROM advanced_window(kept, present.second) AS its WHERE kept.second IS NOT NULL
      ) AS held ON true
     ORDER BY one.place
$$;
