DROP TRIGGER archived_hours_hold_no_records ON usage_usagearchive;
DROP TRIGGER an_archive_is_only_restored ON usage_usagearchive;
DROP TRIGGER archives_are_never_deleted ON usage_usagearchive;
DROP TRIGGER archived_events_are_removed_only_for_their_records ON usage_archivedevent;
DROP TRIGGER archived_events_are_append_only ON usage_archivedevent;
DROP TRIGGER usage_records_are_removed_only_to_an_archive ON usage_usagerecord;
DROP TRIGGER usage_records_are_append_only ON usage_usagerecord;
CREATE TRIGGER usage_records_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE usage_usagerecord ENABLE ALWAYS TRIGGER usage_records_are_append_only;
DROP FUNCTION require_the_record(), only_restore_an_archive(), require_archived_hours(), require_an_archive(),
    archived_among(bigint[], text[]), share_archive(), content_hash(jsonb);
