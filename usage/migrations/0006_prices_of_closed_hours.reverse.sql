DROP TRIGGER a_price_begins_in_an_open_hour_when_moved ON pricing_price;
DROP TRIGGER a_price_begins_in_an_open_hour ON pricing_price;
DROP FUNCTION require_an_open_hour();
