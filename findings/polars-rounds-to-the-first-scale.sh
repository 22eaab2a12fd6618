#!/usr/bin/env bash
# polars 2.1.0: amounts are rounded to the scale of those that come first, where frames are put together and where one is
# made of rows, without a word.
#
# Frames whose columns have other types are not concatenated, not even those of whole numbers and floats or of timestamps
# in milliseconds and microseconds: SchemaError. A scan of two Parquet files refuses two scales as well.
# Expected: SchemaError, or the larger scale, as with how="vertical_relaxed"; and of rows the scale that the values need,
# which pl.Series has of the same values.
# Seen on 2026-11-30: after an amount of two decimals, 0.004999 is 0.00 and 0.005001 is 0.01, from concat(), vstack(),
# extend() and append() alike; with the frames the other way round all digits stay. Of more than 100 rows, those that
# are looked at for the schema give the scale, and the 101st is rounded to it.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
from decimal import Decimal

import polars as pl

october = pl.DataFrame({"amount": [Decimal("12.50")]})
november = pl.DataFrame({"amount": [Decimal("0.004999"), Decimal("0.005001")]})
amounts = [Decimal("12.50")] * 100 + [Decimal("0.004999")]


def refused(*frames):
    try:
        pl.concat(frames)
    except pl.exceptions.SchemaError:
        return "SchemaError"


print("scales", october.schema["amount"].scale, november.schema["amount"].scale)
for name, frame in (
    ("concat", pl.concat([october, november])),
    ("vstack", october.vstack(november)),
    ("extend", october.clone().extend(november)),
    ("the other way round", pl.concat([november, october])),
    ("relaxed", pl.concat([october, november], how="vertical_relaxed")),
):
    print(f"{name}:", *frame["amount"])
print("whole numbers and floats:", refused(pl.DataFrame({"amount": [1]}), pl.DataFrame({"amount": [1.5]})))
print("101 rows:", pl.DataFrame([{"amount": amount} for amount in amounts])["amount"][-1])
print("101 values:", pl.Series(amounts)[-1])
PYTHON
diff "$here/seen" - <<'SEEN'
scales 2 6
concat: 12.50 0.00 0.01
vstack: 12.50 0.00 0.01
extend: 12.50 0.00 0.01
the other way round: 0.004999 0.005001 12.500000
relaxed: 12.500000 0.004999 0.005001
whole numbers and floats: SchemaError
101 rows: 0.00
101 values: 0.004999
SEEN
echo "as described"
