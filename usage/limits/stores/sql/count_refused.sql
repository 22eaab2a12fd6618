CREATE OR REPLACE FUNCTION count_refused(refused usage_refusedcalls[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_refusedcalls AS counted (customer_id, service_id, hour, refusal, calls)
    SELECT one.customer_id, one.service_id, one.hour, one.refusal, count(*)
      FROM unnest(refused) AS one
     GROUP BY one.customer_id, one.service_id, one.hour, one.refusal
     ORDER BY one.customer_id, one.service_id, one.hour, one.refusal
        ON CONFLICT (customer_id, service_id, hour, refusal) DO UPDATE SET calls = counted.calls + excluded.calls;
END
$$;
