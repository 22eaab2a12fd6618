-- The groups of an hour, numbered; the calls of each lie between two instants, in one hour and at one price.
SELECT row_number() OVER () AS place,
       greatest(its.usage_hour, (%(instants)s::timestamptz[])[its.price_interval]) AS from_at,
       least(its.usage_hour + interval '1 hour', (%(instants)s::timestamptz[])[its.price_interval + 1]) AS until_at,
       its.*
  FROM ($punctual UNION ALL $late) AS its
