-- What was sent is removed a week after it was delivered at the earliest, an event after its last delivery.
CREATE OR REPLACE FUNCTION keep_webhook_log() RETURNS trigger LANGUAGE plpgsql AS $$
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
