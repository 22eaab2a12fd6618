-- Whether any event is archived. Until the transaction ends, no record leaves the table for an archive whose events were
-- not there to be found (usage/archive/identities.py).
CREATE OR REPLACE FUNCTION share_archive() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1095910216, 0);
    RETURN EXISTS (SELECT FROM usage_archivedevent);
END
$$;
