SELECT audit_table_no_more('pricing_proposal');
SELECT audit_table_no_more('pricing_callspecification');
SELECT audit_table_no_more('pricing_price');
SELECT audit_table_no_more('pricing_billingitem');
SELECT audit_table_no_more('pricing_servicealias');
SELECT audit_table_no_more('pricing_service');
SELECT audit_table_no_more('pricing_servicegroup');
