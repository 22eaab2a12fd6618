CREATE OR REPLACE FUNCTION keep_windows(changed usage_callwindow[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_callwindow SELECT * FROM unnest(changed) WHERE customer_id IS NOT NULL
        ON CONFLICT (customer_id, service_id) DO UPDATE
       SET second = excluded.second, calls = excluded.calls, tokens = excluded.tokens,
           calls_in_all = excluded.calls_in_all, tokens_in_all = excluded.tokens_in_all, setbacks = excluded.setbacks,
           ahead = excluded.ahead;
END
$$;
