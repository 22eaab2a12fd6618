-- The customers that have a call of this id. A function, for it may not read the whole table, however small that was
-- when the statement was planned: plans are kept.
CREATE OR REPLACE FUNCTION customers_of_call(its_id text) RETURNS SETOF bigint LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT customer_id FROM usage_admittedcall WHERE call_id = its_id
$$;
