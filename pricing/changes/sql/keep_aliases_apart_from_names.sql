CREATE OR REPLACE FUNCTION keep_aliases_apart_from_names() RETURNS trigger LANGUAGE plpgsql AS $$
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
