SELECT seconds_held, present, second, calls, tokens, calls_reset, tokens_reset
  FROM hold_windows(%s::timestamptz, %s::bigint)
  LEFT JOIN LATERAL look_at_windows(CASE WHEN seconds_held = 0 THEN %s::json ELSE '[]' END, %s::timestamptz)
       WITH ORDINALITY AS its (second, calls, tokens, calls_reset, tokens_reset, place) ON true
 ORDER BY place
