UPDATE usage_budgetuse AS use
   SET used = new.used, billed = new.billed, billed_through = new.billed_through, as_of = new.as_of
  FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::timestamptz[], %s::timestamptz[])
       AS new (id, used, billed, billed_through, as_of)
 WHERE use.id = new.id
