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
