DROP FUNCTION reasons_of_reversals;
