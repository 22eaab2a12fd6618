DROP TRIGGER old_webhook_events_are_removed ON accounts_webhookevent;
DROP TRIGGER old_webhook_attempts_are_removed ON accounts_webhookattempt;
DROP TRIGGER old_webhook_deliveries_are_removed ON accounts_webhookdelivery;
DROP TRIGGER webhook_events_are_append_only ON accounts_webhookevent;
CREATE TRIGGER webhook_events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_webhookevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untraced('its rows are never changed.');
ALTER TABLE accounts_webhookevent ENABLE ALWAYS TRIGGER webhook_events_are_append_only;
DROP TRIGGER webhook_attempts_are_append_only ON accounts_webhookattempt;
CREATE TRIGGER webhook_attempts_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_webhookattempt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untraced('its rows are never changed.');
ALTER TABLE accounts_webhookattempt ENABLE ALWAYS TRIGGER webhook_attempts_are_append_only;
DROP FUNCTION keep_webhook_log();
