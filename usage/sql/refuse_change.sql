-- One function for every table whose rows are facts: they may be added and read, nothing else.
-- Statement triggers see UPDATE, DELETE and TRUNCATE alike; ENABLE ALWAYS holds them for replication roles too.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %: what is recorded there is never changed; add a correction instead.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;
