#!/usr/bin/env bash
# duckdb 2.0.1: time_bucket() of months with an origin on the 15th makes calendar months.
#
# The buckets are aligned to the origin, says its documentation, and those of days and weeks are. A billing period often
# begins on the day on which a customer signed.
# Expected: 20 March lies in the bucket of 15 March, 10 March in that of 15 February.
# Seen on 2026-11-30: both lie in that of 1 March, whatever the day of the origin; nothing says that the day is passed
# over. With an offset of 14 days instead of the origin, the buckets begin on the 15th.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import duckdb

connection = duckdb.connect()
for name, width, start in (
    ("origin", "1 MONTH", "DATE '2026-01-15'"),
    ("origin", "1 WEEK", "DATE '2026-01-15'"),
    ("offset", "1 MONTH", "INTERVAL 14 DAY"),
):
    days = "(VALUES (DATE '2026-03-10'), (DATE '2026-03-20')) _(day)"
    buckets = connection.execute(f"SELECT time_bucket(INTERVAL {width}, day, {start}) FROM {days}").fetchall()
    print(name, width, *(bucket.isoformat() for (bucket,) in buckets))
PYTHON
diff "$here/seen" - <<'SEEN'
origin 1 MONTH 2026-03-01 2026-03-01
origin 1 WEEK 2026-03-05 2026-03-19
offset 1 MONTH 2026-02-15 2026-03-15
SEEN
echo "as described"
