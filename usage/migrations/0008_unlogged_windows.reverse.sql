CREATE INDEX usage_admittedcall_call_id_c9ac1875_like ON usage_admittedcall (call_id varchar_pattern_ops);
ALTER TABLE usage_refusedcalls RESET (fillfactor), SET LOGGED;
ALTER TABLE usage_admittedcall RESET (fillfactor), SET LOGGED;
ALTER TABLE usage_callwindow RESET (fillfactor), SET LOGGED;
