"""Requests as invoices in UBL 2.1, and as credit notes once they are reversed, by the rules of EN 16931.

One line for each statement: quantity 1, its net as the price, so the lines add up to the totals exactly and
nothing is rounded again (BR-CO-10, -13, -14, -15). A tax is the payable less the net; it may differ from
net x rate by a fen for each statement, where the published validation artefacts allow less than 1 (BR-CO-17).
"""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring
from zoneinfo import ZoneInfo

from django.conf import settings

from invoices.documents.parties import Party, seller
from invoices.models import EInvoiceRequest, Statement
from pricing.rules.amounts import exact_sum, plain

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_CAC, _CBC = (f"{_UBL}{name}-2" for name in ("CommonAggregateComponents", "CommonBasicComponents"))
SPECIFICATION = "urn:cen.eu:en16931:2017"
ONE = "C62"  # UN/ECE Recommendation 20
VAT, OTHER_TAX = "VAT", "TAX"
STANDARD, ZERO = "S", "Z"  # UNTDID 5305
CURRENCY = "CNY"
_GREECE = {"GR": "EL"}
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _Kind(NamedTuple):
    """An invoice or a credit note: the same elements under other names."""

    name: str
    type_code: str  # UNTDID 1001
    quantity: str

    @property
    def namespace(self) -> str:
        return f"{_UBL}{self.name}-2"


_INVOICE = _Kind("Invoice", "380", "InvoicedQuantity")
_CREDIT_NOTE = _Kind("CreditNote", "381", "CreditedQuantity")

# One of the two can be without a prefix.
for _prefix, _uri in (
    ("", _INVOICE.namespace),
    ("ubl", _CREDIT_NOTE.namespace),
    ("cac", _CAC),
    ("cbc", _CBC),
):
    register_namespace(_prefix, _uri)


class NoSeller(Exception):
    """The settings name no tax number of the seller, without which there is no such invoice (BR-CO-26)."""


class _Company(NamedTuple):
    party: Party
    country: str
    phone: str = ""


class _Head(NamedTuple):
    number: str
    date: str
    note: str


def write_invoice(request: EInvoiceRequest) -> bytes:
    """Return the invoice of a request; until its number is recorded it has that of the request."""
    head = _Head(request.invoice_number or request.number, _issue_date(request), request.remarks)
    return _write(_INVOICE, request, head)


def write_credit_note(request: EInvoiceRequest) -> bytes:
    """Return the credit note of a request that is reversed: the whole invoice, which it names."""
    return _write(_CREDIT_NOTE, request, _Head(request.red_number, str(request.red_date), request.red_reason))


def _write(kind: _Kind, request: EInvoiceRequest, head: _Head) -> bytes:
    if not settings.SELLER_TAX_ID:
        raise NoSeller
    statements = [item.statement for item in request.items.all()]
    document = Element(f"{{{kind.namespace}}}{kind.name}")
    _add(document, "CustomizationID", SPECIFICATION)
    _add(document, "ID", head.number)
    _add(document, "IssueDate", head.date)
    _add(document, f"{kind.name}TypeCode", kind.type_code)
    if head.note:
        _add(document, "Note", head.note)
    _add(document, "DocumentCurrencyCode", CURRENCY)
    _add_period(document, statements)
    if kind is _CREDIT_NOTE:
        _add_preceding(document, request)
    _add_company(document, "AccountingSupplierParty", _Company(seller(), settings.SELLER_COUNTRY))
    _add_company(document, "AccountingCustomerParty", _buyer(request))
    terms = "Payable as the statements say: " + ", ".join(one.number for one in statements)
    _add(_group(document, "PaymentTerms"), "Note", terms)
    _add_tax(document, statements, tax=request.tax)
    _add_totals(document, request)
    for number, statement in enumerate(statements, start=1):
        _add_line(document, kind, number, statement)
    indent(document)
    written: bytes = tostring(document, encoding="UTF-8", xml_declaration=True)
    return written


def _add(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, f"{{{_CBC}}}{name}", attributes).text = _NO_XML.sub("", text)


def _group(parent: Element, name: str) -> Element:
    return SubElement(parent, f"{{{_CAC}}}{name}")


def _add_amount(parent: Element, name: str, amount: Decimal) -> None:
    _add(parent, name, f"{amount:.2f}", currencyID=CURRENCY)


def _issue_date(request: EInvoiceRequest) -> str:
    zone = ZoneInfo(request.customer.time_zone)
    return str(request.invoice_date or request.requested_at.astimezone(zone).date())


def _add_period(parent: Element, statements: Iterable[Statement]) -> None:
    days = [day for one in statements for day in _days(one)]
    period = _group(parent, "InvoicePeriod")
    _add(period, "StartDate", str(min(days)))
    _add(period, "EndDate", str(max(days)))


def _days(statement: Statement) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of its span, by the clock of its customer."""
    zone = ZoneInfo(statement.time_zone)
    end = statement.ends_at - dt.timedelta(microseconds=1)
    return statement.begins_at.astimezone(zone).date(), end.astimezone(zone).date()


def _add_preceding(parent: Element, request: EInvoiceRequest) -> None:
    """Name the invoice that is reversed (BT-25, BT-26)."""
    reference = _group(_group(parent, "BillingReference"), "InvoiceDocumentReference")
    _add(reference, "ID", request.invoice_number)
    _add(reference, "IssueDate", str(request.invoice_date))


def _buyer(request: EInvoiceRequest) -> _Company:
    names = (request.buyer_name, request.buyer_tax_id, request.buyer_address, request.buyer_email)
    return _Company(Party(*names), request.buyer_country, request.buyer_phone)


def _add_company(invoice: Element, role: str, company: _Company) -> None:
    """A number with the country's prefix is one of VAT (BR-CO-09); any other names the company."""
    number, address, email = company.party.tax_id, company.party.address, company.party.email
    is_vat = number.startswith(_GREECE.get(company.country, company.country))
    party = _group(_group(invoice, role), "Party")
    postal = _group(party, "PostalAddress")
    if address:
        _add(postal, "StreetName", ", ".join(address.splitlines()))
    _add(_group(postal, "Country"), "IdentificationCode", company.country)
    if number and (is_vat or role == "AccountingSupplierParty"):
        scheme = _group(party, "PartyTaxScheme")
        _add(scheme, "CompanyID", number)
        _add(_group(scheme, "TaxScheme"), "ID", VAT if is_vat else OTHER_TAX)
    entity = _group(party, "PartyLegalEntity")
    _add(entity, "RegistrationName", company.party.name)
    if number and not is_vat:
        _add(entity, "CompanyID", number)
    if company.phone or email:
        contact = _group(party, "Contact")
        for field, text in (("Telephone", company.phone), ("ElectronicMail", email)):
            if text:
                _add(contact, field, text)


def _add_tax(invoice: Element, statements: list[Statement], *, tax: Decimal) -> None:
    total = _group(invoice, "TaxTotal")
    _add_amount(total, "TaxAmount", tax)
    for rate, found in groupby(sorted(statements, key=_rate), key=_rate):
        group = list(found)
        part = _group(total, "TaxSubtotal")
        _add_amount(part, "TaxableAmount", exact_sum(one.net for one in group))
        _add_amount(part, "TaxAmount", exact_sum(one.tax for one in group))
        _add_category(part, "TaxCategory", rate)


def _rate(statement: Statement) -> Decimal:
    return statement.tax_rate


def _add_category(parent: Element, name: str, rate: Decimal) -> None:
    category = _group(parent, name)
    _add(category, "ID", STANDARD if rate else ZERO)
    _add(category, "Percent", plain(100 * rate))
    _add(_group(category, "TaxScheme"), "ID", VAT)


def _add_totals(invoice: Element, request: EInvoiceRequest) -> None:
    totals = _group(invoice, "LegalMonetaryTotal")
    _add_amount(totals, "LineExtensionAmount", request.net)
    _add_amount(totals, "TaxExclusiveAmount", request.net)
    _add_amount(totals, "TaxInclusiveAmount", request.payable)
    _add_amount(totals, "PayableAmount", request.payable)


def _add_line(parent: Element, kind: _Kind, number: int, statement: Statement) -> None:
    line = _group(parent, f"{kind.name}Line")
    _add(line, "ID", str(number))
    _add(line, kind.quantity, "1", unitCode=ONE)
    _add_amount(line, "LineExtensionAmount", statement.net)
    _add_period(line, [statement])
    item = _group(line, "Item")
    _add(item, "Description", f"Statement {statement.number}, {statement.month:%Y-%m}")
    _add(item, "Name", settings.EINVOICE_ITEM)
    _add_category(item, "ClassifiedTaxCategory", statement.tax_rate)
    _add_amount(_group(line, "Price"), "PriceAmount", statement.net)
