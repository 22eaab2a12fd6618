#!/usr/bin/env bash
# polars 2.1.0: read_json() with a schema of decimals reads other amounts than the file has; read_csv() with the same
# schema reads the file's.
#
# Expected: the digits of the file, for the schema says Decimal; or at least those of the nearest float, 1.1 being
# 1.100000000000000089.
# Seen on 2026-11-30: at a scale of 18, 1.1 becomes 1.100000000000000128 and 2.2 2.200000000000000256;
# 1234567890.123456789 has other last digits at a scale of 9 already. There is no error and no warning.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import io

import polars as pl

for amount, scale in (("1.1", 18), ("2.2", 18), ("1234567890.123456789", 9)):
    schema = {"amount": pl.Decimal(38, scale)}
    from_json = pl.read_json(io.StringIO(f'[{{"amount": {amount}}}]'), schema=schema)
    from_csv = pl.read_csv(io.StringIO(f"amount\n{amount}\n"), schema=schema)
    print(amount, "JSON", from_json["amount"][0], "CSV", from_csv["amount"][0])
PYTHON
diff "$here/seen" - <<'SEEN'
1.1 JSON 1.100000000000000128 CSV 1.100000000000000000
2.2 JSON 2.200000000000000256 CSV 2.200000000000000000
1234567890.123456789 JSON 1234567890.123456768 CSV 1234567890.123456789
SEEN
echo "as described"
