DROP TRIGGER closed_hours_are_append_only ON usage_billinghour;
DROP TRIGGER usage_records_are_append_only ON usage_usagerecord;
DROP FUNCTION refuse_change();
