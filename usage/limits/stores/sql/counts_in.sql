-- Whether the second in which this call was admitted is still one of the 61.
CREATE OR REPLACE FUNCTION counts_in(held usage_callwindow, call usage_admittedcall) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT call.second BETWEEN held.second - 60 AND held.second AND call.setbacks = held.setbacks
$$;
