#!/usr/bin/env bash
# drafthorse 2025.2.0: a price below a millionth is written into the e-invoice in scientific notation, which its schema
# does not have.
#
# Amounts of Factur-X (CII D16B) are of the type xs:decimal, which knows no exponent. The price of a token is often that
# small: half a yuan a million.
# Expected: <ram:ChargeAmount>0.0000005</ram:ChargeAmount>, as 0.0000015 is.
# Seen on 2026-11-30: 5E-7, which a schema refuses for a decimal.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check drafthorse==2025.2.0 lxml==6.1.3
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import xml.etree.ElementTree as ElementTree
from decimal import Decimal

from drafthorse.models.tradelines import LineItem
from lxml import etree

decimals = etree.XMLSchema(
    etree.XML(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="amount" type="xs:decimal"/></xs:schema>'
    )
)
for price in ("0.0000015", "0.0000005"):
    item = LineItem()
    item.agreement.net.amount = Decimal(price)
    xml = etree.fromstring(ElementTree.tostring(item.to_etree()))
    (text,) = xml.xpath("//*[local-name()='NetPriceProductTradePrice']/*[local-name()='ChargeAmount']/text()")
    amount = etree.Element("amount")
    amount.text = text
    print(text, "valid" if decimals.validate(amount) else "not an xs:decimal")
PYTHON
diff "$here/seen" - <<'SEEN'
0.0000015 valid
5E-7 not an xs:decimal
SEEN
echo "as described"
