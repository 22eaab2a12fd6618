DROP TRIGGER a_price_changes_open_hours_only ON pricing_price;
DROP FUNCTION require_an_open_hour();
