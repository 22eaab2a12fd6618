#!/usr/bin/env bash
# duckdb 2.0.1 with pandas 3.1.1: of a column of decimals, an amount that lies between the rows of a sample is rounded to the
# scale of the others, without a word.
#
# DuckDB looks at 1,000 values of a pandas column of objects (pandas_analyze_sample) to choose its type. An amount that is
# too large for what it chose is an error, and so is a text or NaN.
# Expected: an error for an amount with more decimals as well, or all its digits.
# Seen on 2026-11-30: of 2,003 rows every second one is looked at. 0.004999 in row 1,000 gives DECIMAL(8,6), and in row
# 1,001 it is 0.00 in a DECIMAL(4,2): whether a sum is right depends on the order of the rows. With a sample as large as
# the frame the digits stay.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
from decimal import Decimal

import duckdb
import pandas as pd

connection = duckdb.connect()


def show(name, amount, row):
    amounts = [Decimal("12.50")] * 2003
    amounts[row] = Decimal(amount)
    charges = pd.DataFrame({"amount": amounts})
    query = "SELECT any_value(typeof(amount)), min(amount), sum(amount) FROM charges"
    try:
        print(name, *connection.execute(query).fetchone())
    except duckdb.InvalidInputException as error:
        print(name, str(error).split(": ")[-1])


show("0.004999 in row 1000:", "0.004999", 1000)
show("0.004999 in row 1001:", "0.004999", 1001)
show("99999.50 in row 1001:", "99999.50", 1001)
connection.execute("SET pandas_analyze_sample = 2003")
show("with a larger sample:", "0.004999", 1001)
PYTHON
diff "$here/seen" - <<'SEEN'
0.004999 in row 1000: DECIMAL(8,6) 0.004999 25025.004999
0.004999 in row 1001: DECIMAL(4,2) 0.00 25025.00
99999.50 in row 1001: value is out of range!
with a larger sample: DECIMAL(8,6) 0.004999 25025.004999
SEEN
echo "as described"
