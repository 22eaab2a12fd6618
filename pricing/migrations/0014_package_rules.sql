-- What a product was sold for is history: terms that have begun can only have their end moved, into the future or to the
-- transaction's own instant.
CREATE FUNCTION keep_begun_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_packageterms := NEW;
BEGIN
    IF OLD.begins_at > now() THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    same.ends_at := OLD.ends_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD
       OR NEW.ends_at IS DISTINCT FROM OLD.ends_at AND (OLD.ends_at <= now() OR NEW.ends_at < now()) THEN
        RAISE EXCEPTION 'These terms have begun: only their end can still be moved, and not into the past.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

-- What terms cover and weigh is fixed with them; terms that begin at once are completed in their own transaction.
CREATE FUNCTION keep_parts_of_begun_terms() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- A quota package is what was bought: it may end once, and nothing else about it changes.
CREATE FUNCTION keep_packages() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same pricing_quotapackage := NEW;
BEGIN
    same.ended_at := OLD.ended_at;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD OR OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'A quota package is never changed or deleted; it may end before it expires, once.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

-- The billing methods of the past are history: a period may only end earlier.
CREATE FUNCTION keep_method_periods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM removed
           LEFT JOIN added ON (added.id, added.package_id, added.customer_id, added.service_id, added.method, added.begins_at)
                            = (removed.id, removed.package_id, removed.customer_id, removed.service_id, removed.method,
                               removed.begins_at)
                          AND added.ends_at <= removed.ends_at
          WHERE added.id IS NULL;
    ELSE
        PERFORM FROM removed;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'The period of a billing method is never changed or deleted; it may only end earlier.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keep_package_weights() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The weights of a quota package are never changed or deleted.'
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER begun_package_terms_only_move_their_end BEFORE UPDATE OR DELETE ON pricing_packageterms
    FOR EACH ROW EXECUTE FUNCTION keep_begun_terms();
CREATE TRIGGER begun_terms_keep_their_services BEFORE INSERT OR UPDATE OR DELETE ON pricing_packageterms_services
    FOR EACH ROW EXECUTE FUNCTION keep_parts_of_begun_terms();
CREATE TRIGGER begun_terms_keep_their_groups BEFORE INSERT OR UPDATE OR DELETE ON pricing_packageterms_groups
    FOR EACH ROW EXECUTE FUNCTION keep_parts_of_begun_terms();
CREATE TRIGGER begun_terms_keep_their_weights BEFORE INSERT OR UPDATE OR DELETE ON pricing_termsweight
    FOR EACH ROW EXECUTE FUNCTION keep_parts_of_begun_terms();
CREATE TRIGGER a_package_only_ends BEFORE UPDATE OR DELETE ON pricing_quotapackage
    FOR EACH ROW EXECUTE FUNCTION keep_packages();
CREATE TRIGGER a_method_period_only_ends_earlier AFTER UPDATE ON pricing_methodperiod
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_method_periods();
CREATE TRIGGER a_method_period_is_never_deleted AFTER DELETE ON pricing_methodperiod
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION keep_method_periods();
CREATE TRIGGER a_package_keeps_its_weights BEFORE UPDATE OR DELETE ON pricing_packageweight
    FOR EACH ROW EXECUTE FUNCTION keep_package_weights();

SELECT audit_table('pricing_packageproduct');
SELECT audit_table('pricing_packageterms');
SELECT audit_table('pricing_packageterms_services');
SELECT audit_table('pricing_packageterms_groups');
SELECT audit_table('pricing_termsweight');
SELECT audit_table('pricing_quotapackage');
