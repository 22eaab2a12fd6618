#!/usr/bin/env bash
# num2words 0.5.14: the amount in words of a whole number is a hundredth of it in most languages, and all of it in Thai.
#
# Invoices of many countries have their sum in words. The package's description names to="currency", not that a whole
# number is taken for cents.
# Expected: 1234, 1234.0 and Decimal("1234") are one number, and are the same words; and what 1234 means is the same in
# every language.
# Seen on 2026-12-01: an int is 12 euros and 34 cents in English, German and French, a float or a Decimal of the same value
# 1234 euros. In Thai the int is 1234 euros. A sum that happens to be whole and is not a Decimal is written as another one.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check num2words==0.5.14
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from decimal import Decimal

from num2words import num2words


def words(amount, language):
    return num2words(amount, lang=language, to="currency", currency="EUR")


for language in ("en", "de", "fr", "th"):
    as_cents, as_units = (words(Decimal(text), language) for text in ("12.34", "1234"))
    names = {as_cents: "12.34", as_units: "1234.00"}
    print(language, [names[words(amount, language)] for amount in (1234, 1234.0, Decimal("1234"))])
print(words(1234, "en"))
print(words(1234.0, "en"))
PYTHON
diff "$here/seen" - <<'SEEN'
en ['12.34', '1234.00', '1234.00']
de ['12.34', '1234.00', '1234.00']
fr ['12.34', '1234.00', '1234.00']
th ['1234.00', '1234.00', '1234.00']
twelve euro, thirty-four cents
one thousand, two hundred and thirty-four euro, zero cents
SEEN
echo "as described"
