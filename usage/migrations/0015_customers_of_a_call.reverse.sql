DROP FUNCTION customers_of_call(text);
