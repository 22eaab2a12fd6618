SELECT audit_table_no_more('pricing_quotapackage');
SELECT audit_table_no_more('pricing_termsweight');
SELECT audit_table_no_more('pricing_packageterms_groups');
SELECT audit_table_no_more('pricing_packageterms_services');
SELECT audit_table_no_more('pricing_packageterms');
SELECT audit_table_no_more('pricing_packageproduct');

DROP TRIGGER a_package_keeps_its_weights ON pricing_packageweight;
DROP TRIGGER a_method_period_is_never_deleted ON pricing_methodperiod;
DROP TRIGGER a_method_period_only_ends_earlier ON pricing_methodperiod;
DROP TRIGGER a_package_only_ends ON pricing_quotapackage;
DROP TRIGGER begun_terms_keep_their_weights ON pricing_termsweight;
DROP TRIGGER begun_terms_keep_their_groups ON pricing_packageterms_groups;
DROP TRIGGER begun_terms_keep_their_services ON pricing_packageterms_services;
DROP TRIGGER begun_package_terms_only_move_their_end ON pricing_packageterms;
DROP FUNCTION keep_package_weights, keep_method_periods, keep_packages, keep_parts_of_begun_terms, keep_begun_terms;
