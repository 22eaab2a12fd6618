#!/usr/bin/env bash
# price-parser 0.5.1: a price with three decimals is read as a thousand times as much, $0.150 as 150 dollars.
#
# Prices of models are often written so: $0.150 for a million tokens, $0.002 for a thousand.
# Expected: 0.150 and 0.002, for no number groups its digits behind a leading zero, and 1.250 as the currency has it: one
# and a quarter in dollars.
# Seen on 2026-12-01: 150, 2 and 1250; with two or four decimals they are what they are, so that a list of prices is right
# but for some. With decimal_separator="." all are.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check price-parser==0.5.1
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from price_parser import Price

for text in ("$0.15 / 1M tokens", "$0.150 / 1M tokens", "$0.002 / 1K tokens", "$0.0025 / 1K tokens", "$1.250 / 1M tokens"):
    print(text, Price.fromstring(text).amount, Price.fromstring(text, decimal_separator=".").amount)
PYTHON
diff "$here/seen" - <<'SEEN'
$0.15 / 1M tokens 0.15 0.15
$0.150 / 1M tokens 150 0.150
$0.002 / 1K tokens 2 0.002
$0.0025 / 1K tokens 0.0025 0.0025
$1.250 / 1M tokens 1250 1.250
SEEN
echo "as described"
