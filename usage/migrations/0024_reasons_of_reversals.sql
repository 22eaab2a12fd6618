-- Why records were reversed in an hour that were billed in another, each reason once. A function, which a statement over
-- charge lines calls, and in PL/pgSQL: where Citus distributes records, no subquery of such a statement may read them, and
-- no function in SQL may with its parameters.
CREATE FUNCTION reasons_of_reversals(
    customer bigint, reversed_in timestamptz, billed_in timestamptz, service bigint, usage_hour timestamptz
) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    reasons text[];
BEGIN
    SELECT coalesce(array_agg(DISTINCT reversal.metadata ->> 'reason' ORDER BY reversal.metadata ->> 'reason'), '{}')
      INTO reasons
      FROM usage_usagerecord AS reversal
      JOIN usage_usagerecord AS original
        ON original.customer_id = reversal.customer_id AND original.event_id = reversal.reverses
     WHERE reversal.customer_id = customer AND reversal.billing_hour = reversed_in AND original.billing_hour = billed_in
       AND reversal.service_id = service AND reversal.reverses IS NOT NULL
       AND reversal.occurred_at >= usage_hour AND reversal.occurred_at < usage_hour + interval '1 hour';
    RETURN reasons;
END
$$;
