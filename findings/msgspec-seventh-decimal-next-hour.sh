#!/usr/bin/env bash
# msgspec 0.22.0 rounds an instant at its seventh decimal, Python's datetime and DuckDB 2.0.1 cut it off: the same
# call of a trace lies in two hours.
#
# Timestamps with seven decimals are what .NET writes, for example in the Azure LLM inference traces.
# Expected: all three cut off (or all three round).
# Seen on 2026-11-28: 18:59:59.9999996 is 19:00 for msgspec, and one microsecond before it for the two others.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0 duckdb==2.0.1
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
import datetime as dt

import duckdb
import msgspec

WRITTEN = "2026-11-23T18:59:59.9999996+00:00"
print("datetime", dt.datetime.fromisoformat(WRITTEN).isoformat())
print("msgspec ", msgspec.convert(WRITTEN, dt.datetime).isoformat())
duckdb.sql("SET TimeZone = 'UTC'")
print("duckdb  ", duckdb.sql(f"SELECT '{WRITTEN}'::TIMESTAMPTZ::VARCHAR").fetchall()[0][0])
PYTHON
diff "$here/seen" - <<'SEEN'
datetime 2026-11-23T18:59:59.999999+00:00
msgspec  2026-11-23T19:00:00+00:00
duckdb   2026-11-23 18:59:59.999999+00
SEEN
echo "as described"
