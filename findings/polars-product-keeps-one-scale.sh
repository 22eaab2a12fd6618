#!/usr/bin/env bash
# polars 2.1.0: the product of two decimals keeps the larger scale of the two, and the quotient that of the dividend, so
# that digits of amounts are lost without a word.
#
# Expected: as in SQL, a scale that holds the product (3 + 2 digits), and some digits for the quotient.
# Seen on 2026-11-30: a price of 0.015 at an offer of 5 % comes to 0.001 (0.00075), and a tenth of 0.01 to 0.00; the
# column is decimal[38,3] or decimal[38,2].
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
from decimal import Decimal

import polars as pl

prices = pl.DataFrame({"price": [Decimal("0.015")], "share": [Decimal("0.05")]})
cents = pl.DataFrame({"amount": [Decimal("0.01")]})
for series in (
    prices.select(pl.col("price") * pl.col("share")).to_series(),
    cents.select(pl.col("amount") / 10).to_series(),
):
    print(series.dtype, series[0])
PYTHON
diff "$here/seen" - <<'SEEN'
Decimal(precision=38, scale=3) 0.001
Decimal(precision=38, scale=2) 0.00
SEEN
echo "as described"
