-- What lies wholly outside the years goes, and what reaches beyond them is cut where they begin, or loses its end.
-- At no instant within them is anything else in force; usage of before 1970, or after 8999, there is none.
SELECT set_config('billing.reason', 'Prices and call specifications lie in the years 1970 to 8999.', true);

-- A price that has begun would keep its beginning.
ALTER TABLE pricing_price DISABLE TRIGGER a_begun_price_only_moves_its_end;
DELETE FROM pricing_price WHERE ends_at <= '1970-01-01Z' OR begins_at >= '9000-01-01Z';
UPDATE pricing_price
   SET begins_at = greatest(begins_at, '1970-01-01Z'), ends_at = CASE WHEN ends_at < '9000-01-01Z' THEN ends_at END
 WHERE begins_at < '1970-01-01Z' OR ends_at >= '9000-01-01Z';
-- Checked now: a table with checks that are still to be made is not altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
ALTER TABLE pricing_price ENABLE TRIGGER a_begun_price_only_moves_its_end;

DELETE FROM pricing_callspecification WHERE ends_at <= '1970-01-01Z' OR begins_at >= '9000-01-01Z';
UPDATE pricing_callspecification
   SET begins_at = greatest(begins_at, '1970-01-01Z'), ends_at = CASE WHEN ends_at < '9000-01-01Z' THEN ends_at END
 WHERE begins_at < '1970-01-01Z' OR ends_at >= '9000-01-01Z';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
