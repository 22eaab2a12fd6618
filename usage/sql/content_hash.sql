-- The hash of what a repeated report has to repeat, its instant left out: the columns of a record as a JSON object. A
-- measure of which nothing was used may be null or missing, so columns that are added later change no hash.
CREATE OR REPLACE FUNCTION content_hash(stored jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(jsonb_strip_nulls(stored - ARRAY['customer_id', 'event_id', 'occurred_at', 'billing_hour',
               'received_at', 'is_charged', 'reverses'])::text, 'UTF8'))
$$;
