#!/usr/bin/env bash
# babel 2.18.0: an amount just below a unit of its compact form is rounded up to 10,000 of the smaller unit: 99,999,999
# yuan are 10000万, 999,999 dollars $1000K.
#
# Expected: 1亿 and $1M, as Intl.NumberFormat of Node has it with the same data of CLDR: what the rounding gives decides
# which unit it is.
# Seen on 2026-11-30: the unit is chosen before the rounding. 10000万 stands beside 1亿 for the same sum, one yuan apart.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check babel==2.18.0
PYTHONIOENCODING=utf-8 "$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
from decimal import Decimal

from babel.numbers import format_compact_currency

for amount in ("99999999", "100000000"):
    print("babel", amount, format_compact_currency(Decimal(amount), "CNY", locale="zh_CN"))
for amount in ("999999", "1000000"):
    print("babel", amount, format_compact_currency(Decimal(amount), "USD", locale="en_US"))
PYTHON
node - >> "$here/seen" <<'JAVASCRIPT'
for (const [amount, currency, locale] of [[99999999, 'CNY', 'zh-CN'], [999999, 'USD', 'en-US']]) {
  console.log('Intl', amount, new Intl.NumberFormat(locale, { style: 'currency', currency, notation: 'compact' }).format(amount));
}
JAVASCRIPT
diff "$here/seen" - <<'SEEN'
babel 99999999 ¥10000万
babel 100000000 ¥1亿
babel 999999 $1000K
babel 1000000 $1M
Intl 99999999 ¥1亿
Intl 999999 $1M
SEEN
echo "as described"
