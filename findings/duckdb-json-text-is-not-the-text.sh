#!/usr/bin/env bash
# duckdb 2.0.1: an amount taken out of JSON has other digits than the JSON, also where it is taken out as text.
#
# `->>` gives the text of a value; in PostgreSQL that of a number is its digits, which a cast to a decimal then keeps.
# Expected: 1234567890.123456789, the digits that are stored, from each of the ways.
# Seen on 2026-11-30: `->` and `->>` give the digits of a double, without an error and with a decimal as the result;
# from_json() and read_json() with the type given keep them all. A sum of amounts that are read by path is another one
# than that of the same events read by columns.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import pathlib

import duckdb

connection = duckdb.connect()
for amount in ("1234567890.123456789", "12345678901234567.89"):
    event = f'{{"amount": {amount}}}'
    pathlib.Path("events.json").write_text(event)
    for name, query in (
        ("JSON itself", "SELECT event::VARCHAR FROM stored"),
        ("->> as text", "SELECT event->>'amount' FROM stored"),
        ("->> cast   ", "SELECT (event->>'amount')::DECIMAL(38, 9) FROM stored"),
        ("-> cast    ", "SELECT (event->'amount')::DECIMAL(38, 9) FROM stored"),
        ("from_json  ", """SELECT from_json(event, '{"amount": "DECIMAL(38, 9)"}').amount FROM stored"""),
        ("read_json  ", "SELECT amount FROM read_json('events.json', columns={amount: 'DECIMAL(38, 9)'})"),
    ):
        connection.execute("CREATE OR REPLACE TABLE stored AS SELECT ?::JSON AS event", [event])
        print(name, connection.execute(query).fetchone()[0])
PYTHON
diff "$here/seen" - <<'SEEN'
JSON itself {"amount": 1234567890.123456789}
->> as text 1234567890.1234567
->> cast    1234567890.123456700
-> cast     1234567890.123456700
from_json   1234567890.123456789
read_json   1234567890.123456789
JSON itself {"amount": 12345678901234567.89}
->> as text 12345678901234568.0
->> cast    12345678901234568.000000000
-> cast     12345678901234568.000000000
from_json   12345678901234567.890000000
read_json   12345678901234567.890000000
SEEN
echo "as described"
