"""Invoices in UBL 2.1 are valid by its schemas, and add up by the rules of EN 16931."""

from decimal import Decimal

import pytest
from defusedxml.ElementTree import fromstring
from peppol import validate_xsd

from invoices.einvoices.ubl import write_credit_note, write_invoice
from tests.invoices.einvoices.builders import (
    NUMBER,
    USCC,
    issued,
    requested,
    reversed_,
    stated,
    with_tax_data,
)

pytestmark = pytest.mark.django_db

SPACES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


@pytest.fixture(autouse=True)
def seller(settings):
    settings.SELLER_NAME, settings.SELLER_TAX_ID = "商汤科技", USCC
    settings.SELLER_ADDRESS, settings.SELLER_EMAIL = "1 Road\nShanghai", "bills@sensenova.example"


def read(request, write=write_invoice):
    """The document as it is parsed, after the official schemas have accepted it."""
    written = write(request)
    assert validate_xsd(written) == (True, [])
    return fromstring(written)


def texts(invoice, path):
    return [one.text for one in invoice.findall(path, SPACES)]


def amounts(invoice, path):
    found = invoice.findall(path, SPACES)
    assert {one.get("currencyID") for one in found} == {"CNY"}
    assert all(len(one.text.partition(".")[2]) == 2 for one in found)  # BR-DEC-09 and on
    return [Decimal(one.text) for one in found]


def test_the_lines_add_up_to_the_totals_exactly(acme):
    with_tax_data(acme)
    months = [stated(acme, month, amount) for month, amount in ((3, "1051.59758"), (4, "0.01"), (5, "106"))]
    made = requested(acme, *months, stated(acme, 6, "33.33", rate="0.13"), remarks="PO <4711> & more\ufffe")
    invoice = read(made)

    total = "cac:LegalMonetaryTotal/cbc:"
    lines = amounts(invoice, "cac:InvoiceLine/cbc:LineExtensionAmount")
    prices = amounts(invoice, "cac:InvoiceLine/cac:Price/cbc:PriceAmount")
    subtotals = amounts(invoice, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount")
    taxable = amounts(invoice, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount")
    (tax,) = amounts(invoice, "cac:TaxTotal/cbc:TaxAmount")
    (net,) = amounts(invoice, total + "TaxExclusiveAmount")
    assert [sum(lines)] == [net] == amounts(invoice, total + "LineExtensionAmount")  # BR-CO-10, BR-CO-13
    assert (lines, sum(taxable)) == (prices, net)
    assert (sum(subtotals), len(subtotals)) == (tax, 2)  # BR-CO-14
    assert [net + tax] == amounts(invoice, total + "TaxInclusiveAmount")  # BR-CO-15
    assert [made.payable] == amounts(invoice, total + "PayableAmount")  # BR-CO-16
    rates = [Decimal(one) for one in texts(invoice, ".//cac:TaxSubtotal/cac:TaxCategory/cbc:Percent")]
    for base, part, rate in zip(taxable, subtotals, rates, strict=True):
        assert abs(part - base * rate / 100) < Decimal("0.03")  # BR-CO-17 allows less than 1
    assert texts(invoice, "cbc:Note") == ["PO <4711> & more"]


def test_a_number_of_vat_is_one_and_any_other_names_the_company(acme):
    with_tax_data(acme, country="GR", tax_id="EL094259216", invoice_kind="ubl", phone="1", address="A\nB")
    invoice = read(requested(acme))

    buyer, seller = "cac:AccountingCustomerParty/cac:Party/", "cac:AccountingSupplierParty/cac:Party/"
    assert texts(invoice, buyer + "cac:PartyTaxScheme/cbc:CompanyID") == ["EL094259216"]  # BR-CO-09
    assert texts(invoice, buyer + "cac:PartyTaxScheme/cac:TaxScheme/cbc:ID") == ["VAT"]
    assert texts(invoice, buyer + "cac:PostalAddress/cac:Country/cbc:IdentificationCode") == ["GR"]  # BR-11
    assert texts(invoice, seller + "cac:PartyTaxScheme/cac:TaxScheme/cbc:ID") == ["TAX"]  # BR-S-02
    assert texts(invoice, seller + "cac:PartyLegalEntity/cbc:CompanyID") == [USCC]  # BR-CO-26


def test_it_has_the_number_of_the_request_until_that_of_the_invoice_is_recorded(acme):
    with_tax_data(acme)
    made = requested(acme, stated(acme, rate="0"))

    before, after = read(made), read(issued(made))

    assert (texts(before, "cbc:ID"), texts(after, "cbc:ID")) == ([made.number], [NUMBER])
    assert texts(after, "cbc:IssueDate") == ["2026-11-05"]
    assert texts(after, ".//cac:TaxCategory/cbc:ID") == ["Z"]
    assert texts(after, "cac:InvoicePeriod/*") == ["2020-03-01", "2020-03-31"]


def test_a_credit_note_names_the_invoice_that_it_reverses_and_comes_to_the_same(acme):
    with_tax_data(acme)
    made = reversed_(
        issued(requested(acme, stated(acme, 3, "1051.59758"), stated(acme, 4, "33.33", rate="0.13")))
    )
    note, invoice = read(made, write_credit_note), read(made)

    assert texts(note, "cbc:CreditNoteTypeCode") == ["381"]
    assert (texts(note, "cbc:ID"), texts(note, "cbc:IssueDate")) == (["2" * 20], ["2026-11-06"])
    assert texts(note, "cbc:Note") == ["Wrong <name>."]
    preceding = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:"
    assert texts(note, preceding + "ID") + texts(note, preceding + "IssueDate") == [NUMBER, "2026-11-05"]
    lines = amounts(note, "cac:CreditNoteLine/cbc:LineExtensionAmount")
    assert lines == amounts(invoice, "cac:InvoiceLine/cbc:LineExtensionAmount")
    assert amounts(note, "cac:LegalMonetaryTotal/*") == amounts(invoice, "cac:LegalMonetaryTotal/*")
    assert amounts(note, "cac:TaxTotal//*[@currencyID]") == amounts(invoice, "cac:TaxTotal//*[@currencyID]")
