-- The billing methods of the past are history: a period may only end earlier.
CREATE OR REPLACE FUNCTION keep_method_periods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM removed
           LEFT JOIN added ON (added.id, added.package_id, added.customer_id, added.service_id, added.method, added.begins_at)
                            = (removed.id, removed.package_id, removed.customer_id, removed.service_id, removed.method,
                               removed.begins_at)
                          AND added.ends_at <= removed.ends_at
          WHERE added.id IS NULL;
    ELSE
        PERFORM FROM removed;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'The period of a billing method is never changed or deleted; it may only end earlier.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
