-- The instants at which prices change, before another.
SELECT coalesce(array_agg(DISTINCT instant ORDER BY instant), '{}')
  FROM (SELECT begins_at FROM pricing_price UNION SELECT ends_at FROM pricing_price) AS change (instant)
 WHERE instant < %(before)s
