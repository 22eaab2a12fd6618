-- A call id belongs to its customer: another customer's call may have the same id. The functions keep their names and
-- arguments, so that processes of the release before go on working while this is applied. The primary key begins with
-- the call id, by which the customers that have a call of an id are found.
--
-- No statement here may read a whole table, however small it was when the statement was planned: plans are kept.
ALTER TABLE usage_admittedcall
      DROP CONSTRAINT usage_admittedcall_pkey,
      ADD CONSTRAINT usage_admittedcall_pkey PRIMARY KEY (call_id, customer_id);

-- Raises unique_violation where one of the ids has just been admitted for another service of its customer. One that was
-- released, or has left its window, may be admitted anew.
CREATE OR REPLACE FUNCTION store_admitted(admitted usage_admittedcall[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    INSERT INTO usage_admittedcall AS there (call_id, customer_id, service_id, second, setbacks, tokens, state)
    SELECT new.call_id, new.customer_id, new.service_id, new.second, new.setbacks, new.tokens, new.state
      FROM unnest(admitted) AS new
     ORDER BY new.call_id, new.customer_id
        ON CONFLICT (call_id, customer_id) DO UPDATE
       SET second = excluded.second, setbacks = excluded.setbacks, tokens = excluded.tokens, state = excluded.state
     WHERE there.service_id = excluded.service_id;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < cardinality(admitted) THEN
        RAISE unique_violation
            USING MESSAGE = 'A call id was admitted for another service of its customer at the same time.';
    END IF;
END
$$;

-- Admits each of these calls that is within its limits, and answers for each, by place. Raises unique_violation where one
-- of the ids has just been admitted for another service of its customer: that is committed by now, and a second attempt
-- sees it.
CREATE OR REPLACE FUNCTION admit_trip(asked json, given timestamptz DEFAULT NULL) RETURNS SETOF call_standing
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
               count(*) OVER (PARTITION BY one.customer, one.call_id) > 1 AS is_asked_twice, seen.known
          FROM ROWS FROM (
               json_to_recordset(asked)
               AS (call_id text, customer bigint, service bigint, tokens bigint, rpm bigint, tpm bigint)
          ) WITH ORDINALITY AS one (call_id, customer, service, tokens, rpm, tpm, place)
          LEFT JOIN LATERAL (
               SELECT its AS known FROM usage_admittedcall AS its
                WHERE (its.call_id, its.customer_id) = (one.call_id, one.customer) LIMIT 1
          ) AS seen ON true
         ORDER BY one.customer, one.service, one.place
    LOOP
        IF held.customer_id IS DISTINCT FROM call.customer THEN
            new_ids := '{}';
        END IF;
        IF held.customer_id IS DISTINCT FROM call.customer OR held.service_id IS DISTINCT FROM call.service THEN
            changed := changed || held;
            held := advanced_window(windows[call.its_window], present);
        END IF;
        known := call.known;
        IF call.is_asked_twice AND call.call_id = ANY(new_ids) THEN
            SELECT * INTO known FROM unnest(admitted) AS new
             WHERE (new.call_id, new.customer_id) = (call.call_id, call.customer);
        END IF;
        IF known.state = 'released'
           OR known.state = 'held' AND known.service_id = call.service AND NOT counts_in(held, known) THEN
            known.state := NULL;
        END IF;
        standing.place := call.place;
        standing.second := held.second;
        standing.present := present;
        standing.refusal := CASE
            WHEN known.service_id <> call.service THEN 'other_call'
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
    IF cardinality(admitted) > 0 THEN
        PERFORM store_admitted(admitted);
    END IF;
    IF refused <> '{}' THEN
        PERFORM count_refused(refused);
    END IF;
END
$$;

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
