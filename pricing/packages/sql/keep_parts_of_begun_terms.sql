-- What terms cover and weigh is fixed with them; terms that begin at once are completed in their own transaction.
CREATE OR REPLACE FUNCTION keep_parts_of_begun_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    part jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    PERFORM FROM pricing_packageterms AS terms
      WHERE terms.id = coalesce(part ->> 'packageterms_id', part ->> 'terms_id')::bigint AND terms.begins_at < now();
    IF FOUND OR TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'These terms have begun: what they cover cannot be changed any more.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
