-- What was sent is removed a week after it was delivered at the earliest, an event after its last delivery.
CREATE FUNCTION keep_webhook_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_old boolean;
BEGIN
    IF TG_TABLE_NAME = 'accounts_webhookevent' THEN
        is_old := NOT EXISTS (SELECT FROM accounts_webhookdelivery WHERE event_id = OLD.id)
                  AND OLD.at <= now() - interval '7 days';
    ELSE
        SELECT state = 'delivered' AND delivered_at <= now() - interval '7 days' INTO is_old
          FROM accounts_webhookdelivery
         WHERE id = (CASE TG_TABLE_NAME WHEN 'accounts_webhookdelivery' THEN to_jsonb(OLD) ->> 'id'
                                        ELSE to_jsonb(OLD) ->> 'delivery_id' END)::bigint;
    END IF;
    IF is_old IS NOT TRUE THEN
        RAISE EXCEPTION '% on %: only what was delivered a week ago is removed.', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN OLD;
END
$$;

DROP TRIGGER webhook_events_are_append_only ON accounts_webhookevent;
CREATE TRIGGER webhook_events_are_append_only BEFORE UPDATE OR TRUNCATE ON accounts_webhookevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untraced('its rows are never changed.');
ALTER TABLE accounts_webhookevent ENABLE ALWAYS TRIGGER webhook_events_are_append_only;
DROP TRIGGER webhook_attempts_are_append_only ON accounts_webhookattempt;
CREATE TRIGGER webhook_attempts_are_append_only BEFORE UPDATE OR TRUNCATE ON accounts_webhookattempt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untraced('its rows are never changed.');
ALTER TABLE accounts_webhookattempt ENABLE ALWAYS TRIGGER webhook_attempts_are_append_only;
CREATE TRIGGER old_webhook_events_are_removed BEFORE DELETE ON accounts_webhookevent
    FOR EACH ROW EXECUTE FUNCTION keep_webhook_log();
ALTER TABLE accounts_webhookevent ENABLE ALWAYS TRIGGER old_webhook_events_are_removed;
CREATE TRIGGER old_webhook_attempts_are_removed BEFORE DELETE ON accounts_webhookattempt
    FOR EACH ROW EXECUTE FUNCTION keep_webhook_log();
ALTER TABLE accounts_webhookattempt ENABLE ALWAYS TRIGGER old_webhook_attempts_are_removed;
CREATE TRIGGER old_webhook_deliveries_are_removed BEFORE DELETE ON accounts_webhookdelivery
    FOR EACH ROW EXECUTE FUNCTION keep_webhook_log();
ALTER TABLE accounts_webhookdelivery ENABLE ALWAYS TRIGGER old_webhook_deliveries_are_removed;
