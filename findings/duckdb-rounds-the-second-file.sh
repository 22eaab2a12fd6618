#!/usr/bin/env bash
# duckdb 2.0.1 with pyarrow 26.0.1: amounts of a second Parquet file are rounded to the scale of the first, without a word.
#
# pyarrow gives a column of decimals the scale that its values need, so that the export of one month has two decimals and
# that of the next one six. read_parquet takes both files as one table.
# Expected: a common scale that holds both, or the error that pyarrow and Polars raise for the same two files.
# Seen on 2026-11-30: the type of the first file; 0.004999 of the second is 0.00. With union_by_name=true all digits stay.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

for month, amounts in (("10", ["12.50", "3.25"]), ("11", ["0.004999", "0.123456"])):
    column = pa.array([Decimal(amount) for amount in amounts])
    pq.write_table(pa.table({"amount": column}), f"charges-2026-{month}.parquet")
for option in ("", ", union_by_name=true"):
    query = f"SELECT typeof(amount), amount FROM read_parquet('charges-*.parquet'{option}) ORDER BY amount"
    for kind, amount in duckdb.sql(query).fetchall():
        print(kind, amount)
try:
    pq.read_table(["charges-2026-10.parquet", "charges-2026-11.parquet"])
except pa.ArrowInvalid as error:
    print(error)
PYTHON
diff "$here/seen" - <<'SEEN'
DECIMAL(4,2) 0.00
DECIMAL(4,2) 0.12
DECIMAL(4,2) 3.25
DECIMAL(4,2) 12.50
DECIMAL(8,6) 0.004999
DECIMAL(8,6) 0.123456
DECIMAL(8,6) 3.250000
DECIMAL(8,6) 12.500000
Rescaling Decimal value would cause data loss
SEEN
echo "as described"
