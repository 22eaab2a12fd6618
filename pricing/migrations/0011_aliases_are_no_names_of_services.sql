-- A service's own name comes before an alias: an alias of that name has never counted, and goes with an audit entry.
SELECT set_config('billing.reason', 'An alias that is the name of a service never counts.', true);
DELETE FROM pricing_servicealias AS alias USING pricing_service AS service WHERE service.name = alias.alias;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

CREATE FUNCTION keep_aliases_apart_from_names() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken text := to_jsonb(NEW) ->> TG_ARGV[0];
    aliased text;
BEGIN
    -- One at a time for each name, or of two transactions that take it neither would see the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('pricing: a name or alias of a service: ' || taken, 0));
    IF TG_TABLE_NAME = 'pricing_servicealias' THEN
        PERFORM FROM pricing_service WHERE name = taken;
        IF FOUND THEN
            RAISE EXCEPTION '% is the name of a service, which comes first: as an alias it would never count.', taken
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
        END IF;
    ELSE
        SELECT service.name INTO aliased
          FROM pricing_servicealias AS alias JOIN pricing_service AS service ON service.id = alias.service_id
         WHERE alias.alias = taken;
        IF FOUND THEN
            RAISE EXCEPTION '% is an alias of %: remove the alias before a service has this name.', taken, aliased
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER an_alias_is_not_the_name_of_a_service BEFORE INSERT OR UPDATE OF alias ON pricing_servicealias
    FOR EACH ROW EXECUTE FUNCTION keep_aliases_apart_from_names('alias');
CREATE TRIGGER a_service_name_is_not_an_alias BEFORE INSERT OR UPDATE OF name ON pricing_service
    FOR EACH ROW EXECUTE FUNCTION keep_aliases_apart_from_names('name');
