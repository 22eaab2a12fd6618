#!/usr/bin/env bash
# chdb 4.4.0 with pandas 3.1.1: a sum of decimals that comes as a data frame is a float, and so is a count of 128 bits.
#
# Expected: objects of Decimal and int, as chdb takes them: the same query as an Arrow table has the digits, and what a
# float cannot hold is nowhere else without an error.
# Seen on 2026-12-01: float64, with other digits from the seventeenth on, and no warning. 64 bits are whole numbers.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check chdb==4.4.0 pandas==3.1.1 pyarrow==26.0.1
cd "$here"
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import chdb

SQL = """
    SELECT sum(toDecimal128('1234567890.123456789', 9)) AS cost,
           sum(toUInt128('9007199254740993')) AS wide,
           sum(toUInt64('9007199254740993')) AS tokens
"""
frame = chdb.query(SQL, "DataFrame")
for name, value in chdb.query(SQL, "ArrowTable").to_pylist()[0].items():
    whole = int.from_bytes(value, "little") if isinstance(value, bytes) else value
    print(name, whole, "in a frame", frame[name].dtype, repr(frame[name][0].item()))
PYTHON
diff "$here/seen" - <<'SEEN'
cost 1234567890.123456789 in a frame float64 1234567890.1234567
wide 9007199254740993 in a frame float64 9007199254740992.0
tokens 9007199254740993 in a frame uint64 9007199254740993
SEEN
echo "as described"
