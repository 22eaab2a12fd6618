SELECT seconds_held, hold.present, refusal, second, status.present, calls_left, tokens_left, calls_reset,
       tokens_reset, passes_at
  FROM hold_windows(%s::timestamptz, %s::bigint) AS hold
  LEFT JOIN LATERAL admit_trip(CASE WHEN seconds_held = 0 THEN %s::json ELSE '[]' END, %s::timestamptz)
       AS status ON true
 ORDER BY place
