#!/usr/bin/env bash
# stockholm 0.5.7: 1000 minor units of a currency that is named by its code are 10.00, also of yen, won and dinars; with
# stockholm's own currency object they are 1000 yen and 1.000 dinars.
#
# Payment services give amounts in the minor unit of the currency, with its code: 1000 and "JPY" are a thousand yen.
# Expected: the same amount with the code and with the object, for the package knows the digits of both.
# Seen on 2026-12-01: a code always has hundredths: yen are a hundredth of what was paid, dinars ten times as much, and
# sub_units sends as much back. Of the objects, that of Bahrain's dinar has two digits as well.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check stockholm==0.5.7
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from stockholm import Money
from stockholm.currency import BHD, EUR, JPY, KRW, KWD

for currency in (EUR, JPY, KRW, KWD, BHD):
    paid = [Money.from_sub_units(1000, named) for named in (currency.ticker, currency)]
    print("code", paid[0], "object", paid[1])
print("1000 yen in minor units:", Money(1000, "JPY").sub_units, Money(1000, JPY).sub_units)
PYTHON
diff "$here/seen" - <<'SEEN'
code 10.00 EUR object 10.00 EUR
code 10.00 JPY object 1000 JPY
code 10.00 KRW object 1000 KRW
code 10.00 KWD object 1.000 KWD
code 10.00 BHD object 10.00 BHD
1000 yen in minor units: 100000 1000
SEEN
echo "as described"
