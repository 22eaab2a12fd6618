#!/usr/bin/env bash
# pyarrow 26.0.1: its CSV writer gives decimals below a millionth an exponent, in a column whose other values have none.
#
# Expected: the digits that the column's type has, 0.0000001, as 0.1000000 beside it.
# Seen on 2026-11-30: 1E-7, which importers that want digits and one point refuse.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import io
from decimal import Decimal

import pyarrow as pa
from pyarrow import csv

out = io.BytesIO()
amounts = [Decimal("0.1000000"), Decimal("0.0000010"), Decimal("0.0000001")]
csv.write_csv(pa.table({"amount": pa.array(amounts, pa.decimal128(20, 7))}), out)
print(out.getvalue().decode(), end="")
PYTHON
diff "$here/seen" - <<'SEEN'
"amount"
0.1000000
0.0000010
1E-7
SEEN
echo "as described"
