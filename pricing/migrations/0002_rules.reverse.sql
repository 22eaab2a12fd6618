DROP TRIGGER an_item_on_sale_always_has_a_price ON pricing_billingitem;
DROP TRIGGER an_item_on_sale_always_has_a_price ON pricing_price;
DROP TRIGGER a_begun_price_only_moves_its_end ON pricing_price;
DROP FUNCTION require_a_price_for_ever();
DROP FUNCTION keep_begun_prices();
