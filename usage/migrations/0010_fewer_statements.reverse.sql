-- All of them: what was before is made anew from 0008_admit_calls.sql.
DROP FUNCTION look_at_windows(json, timestamptz);
DROP FUNCTION count_calls(json, timestamptz);
DROP FUNCTION settle_calls(json, timestamptz);
DROP FUNCTION admit_trip(json, timestamptz);
DROP FUNCTION count_refused(usage_refusedcalls[]);
DROP FUNCTION store_admitted(usage_admittedcall[]);
DROP TYPE call_standing;
DROP FUNCTION fits_from(usage_callwindow, bigint, bigint, bigint);
DROP FUNCTION empty_from(bigint[], bigint);
DROP FUNCTION counts_in(usage_callwindow, usage_admittedcall);
DROP FUNCTION counted_in_window(usage_callwindow, bigint, bigint, bigint);
DROP FUNCTION keep_windows(usage_callwindow[]);
DROP FUNCTION locked_windows(bigint[], bigint[]);
DROP FUNCTION locked_window(bigint, bigint);
DROP FUNCTION present_second(timestamptz);
DROP FUNCTION advanced_window(usage_callwindow, bigint);
