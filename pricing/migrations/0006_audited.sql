SELECT audit_table('pricing_servicegroup');
SELECT audit_table('pricing_service');
SELECT audit_table('pricing_servicealias');
SELECT audit_table('pricing_billingitem');
SELECT audit_table('pricing_price');
SELECT audit_table('pricing_callspecification');
SELECT audit_table('pricing_proposal');
