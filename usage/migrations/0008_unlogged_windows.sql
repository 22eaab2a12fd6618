-- Call limits (docs/call-limits.md). After a crash of the server these tables are empty, and so no commit waits for
-- the disk; rows that are rewritten all the time find room on their own page.
ALTER TABLE usage_callwindow SET UNLOGGED;
ALTER TABLE usage_admittedcall SET UNLOGGED;
ALTER TABLE usage_refusedcalls SET UNLOGGED;
-- Nobody looks for the beginning of an id.
DROP INDEX usage_admittedcall_call_id_c9ac1875_like;
ALTER TABLE usage_callwindow SET (fillfactor = 50);
ALTER TABLE usage_admittedcall SET (fillfactor = 70);
ALTER TABLE usage_refusedcalls SET (fillfactor = 50);
