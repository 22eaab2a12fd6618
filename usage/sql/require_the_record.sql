-- The identity of an archived event is removed only once its record is back.
CREATE OR REPLACE FUNCTION require_the_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM removed
          LEFT JOIN usage_usagerecord AS record
            ON record.customer_id = removed.customer_id AND record.event_id = removed.event_id
         WHERE (record.occurred_at, record.billing_hour, record.reverses, content_hash(to_jsonb(record)))
               IS DISTINCT FROM (removed.occurred_at, removed.billing_hour, removed.reverses, removed.content)) THEN
        RAISE EXCEPTION 'DELETE on %: an archived event remains until its record is restored.', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
