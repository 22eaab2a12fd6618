-- At the commit: the statements of a request come one after the other.
CREATE OR REPLACE FUNCTION require_the_sum_of_statements() RETURNS trigger LANGUAGE plpgsql AS $$
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
