DROP FUNCTION hold_hours_open(timestamptz[]);
DROP FUNCTION share_hour(timestamptz);
