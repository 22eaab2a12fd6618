DROP FUNCTION hold_windows(timestamptz, bigint);
DROP TABLE usage_windowstore;
