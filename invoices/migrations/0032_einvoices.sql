-- Nothing of a request for a tax invoice changes but its state, in this order, and what the transition records.
-- The number and date of an invoice may be recorded again, where they were mistyped.
CREATE FUNCTION keep_einvoice_requests() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same invoices_einvoicerequest := NEW;
BEGIN
    same.state := OLD.state;
    IF OLD.state = 'requested' OR (OLD.state = 'issued' AND NEW.state = 'issued') THEN
        same.invoice_number := OLD.invoice_number;
        same.invoice_date := OLD.invoice_date;
        same.refusal := OLD.refusal;
        same.decided_by := OLD.decided_by;
        same.decided_at := OLD.decided_at;
    ELSIF OLD.state = 'issued' THEN
        same.red_number := OLD.red_number;
        same.red_date := OLD.red_date;
        same.red_reason := OLD.red_reason;
        same.reversed_by := OLD.reversed_by;
        same.reversed_at := OLD.reversed_at;
    END IF;
    IF TG_OP = 'DELETE' OR same IS DISTINCT FROM OLD
       OR (OLD.state, NEW.state) NOT IN (('requested', 'issued'), ('requested', 'refused'), ('requested', 'withdrawn'),
                                         ('issued', 'issued'), ('issued', 'reversed')) THEN
        RAISE EXCEPTION 'A request for a tax invoice only goes on to its next state; nothing else of it changes.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

-- What stands on a request are statements of its customer with an amount, which are not superseded; they stay.
CREATE FUNCTION keep_einvoice_items() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same invoices_einvoiceitem := NEW;
    is_right boolean := false;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT NOT NEW.is_released AND request.state = 'requested' AND statement.payable > 0
               AND request.customer_id = NEW.customer_id AND statement.customer_id = NEW.customer_id
               AND statement.begins_at = NEW.begins_at
               AND NOT EXISTS (SELECT FROM invoices_statement AS later WHERE later.corrects_id = statement.sequence)
          INTO is_right
          FROM invoices_einvoicerequest AS request, invoices_statement AS statement
         WHERE request.id = NEW.request_id AND statement.sequence = NEW.statement_id;
    ELSIF TG_OP = 'UPDATE' THEN
        same.is_released := false;
        is_right := same IS NOT DISTINCT FROM OLD AND NEW.is_released AND EXISTS (
            SELECT FROM invoices_einvoicerequest
             WHERE id = NEW.request_id AND state IN ('refused', 'withdrawn', 'reversed'));
    END IF;
    IF is_right IS NOT TRUE THEN
        RAISE EXCEPTION 'A tax invoice is of statements of its customer that have an amount, and keeps them.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

-- The statements of a request that comes to nothing may stand on another one.
CREATE FUNCTION release_einvoice_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE invoices_einvoiceitem SET is_released = true WHERE request_id = NEW.id;
    RETURN NULL;
END
$$;

-- At the commit: the statements of a request come one after the other.
CREATE FUNCTION require_the_sum_of_statements() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own bigint := CASE TG_TABLE_NAME WHEN 'invoices_einvoicerequest' THEN (to_jsonb(NEW) ->> 'id')::bigint
                                     ELSE (to_jsonb(NEW) ->> 'request_id')::bigint END;
BEGIN
    IF NOT EXISTS (
        SELECT FROM invoices_einvoicerequest AS request
          JOIN invoices_einvoiceitem AS item ON item.request_id = request.id
          JOIN invoices_statement AS statement ON statement.sequence = item.statement_id
         WHERE request.id = own
         GROUP BY request.id
        HAVING (request.net, request.tax, request.payable)
             = (sum(statement.net), sum(statement.tax), sum(statement.payable))) THEN
        RAISE EXCEPTION 'A tax invoice comes to the sum of its statements.'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER an_einvoice_only_goes_on BEFORE UPDATE OR DELETE ON invoices_einvoicerequest
    FOR EACH ROW EXECUTE FUNCTION keep_einvoice_requests();
ALTER TABLE invoices_einvoicerequest ENABLE ALWAYS TRIGGER an_einvoice_only_goes_on;

CREATE TRIGGER an_einvoice_keeps_its_statements BEFORE INSERT OR UPDATE OR DELETE ON invoices_einvoiceitem
    FOR EACH ROW EXECUTE FUNCTION keep_einvoice_items();
ALTER TABLE invoices_einvoiceitem ENABLE ALWAYS TRIGGER an_einvoice_keeps_its_statements;

CREATE TRIGGER an_einvoice_releases_its_statements AFTER UPDATE ON invoices_einvoicerequest
    FOR EACH ROW WHEN (NEW.state IN ('refused', 'withdrawn', 'reversed'))
    EXECUTE FUNCTION release_einvoice_items();
ALTER TABLE invoices_einvoicerequest ENABLE ALWAYS TRIGGER an_einvoice_releases_its_statements;

CREATE TRIGGER einvoice_items_are_not_truncated BEFORE TRUNCATE ON invoices_einvoiceitem
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE invoices_einvoiceitem ENABLE ALWAYS TRIGGER einvoice_items_are_not_truncated;

CREATE CONSTRAINT TRIGGER an_einvoice_is_the_sum_of_its_statements AFTER INSERT ON invoices_einvoiceitem
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_sum_of_statements();
ALTER TABLE invoices_einvoiceitem ENABLE ALWAYS TRIGGER an_einvoice_is_the_sum_of_its_statements;

CREATE CONSTRAINT TRIGGER an_einvoice_has_statements AFTER INSERT ON invoices_einvoicerequest
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_sum_of_statements();
ALTER TABLE invoices_einvoicerequest ENABLE ALWAYS TRIGGER an_einvoice_has_statements;

SELECT audit_table('invoices_einvoicerequest');
