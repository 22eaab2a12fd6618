-- By which method an hour was billed is fixed once it is closed: a period begins, or ends earlier, in open hours only,
-- and holds the first of them open like a reporter does.
CREATE OR REPLACE FUNCTION hold_method_hours_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM hold_hours_open(ARRAY(
        SELECT DISTINCT CASE TG_OP WHEN 'INSERT' THEN begins_at ELSE ends_at END FROM changed)) AS held
      WHERE held.hour < held.billing_hour;
    IF FOUND THEN
        RAISE EXCEPTION 'Hours in which this billing method would be in force are closed already.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
