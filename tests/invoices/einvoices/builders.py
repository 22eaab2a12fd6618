"""Statements to be invoiced, buyers who may request it, and requests."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from accounts.models import Customer
from invoices.documents.payable import payable_of
from invoices.einvoices.requests import (
    record_einvoice,
    record_red_letter,
    refuse_einvoice,
    request_einvoice,
    withdraw_einvoice,
)
from invoices.models import EInvoiceRequest, Statement
from tests.builders import at
from tests.invoices.documents.builders import SHANGHAI

ALICE, CLERK = "alice@acme.example", "clerk@sensenova.example"
USCC = "91110000600037341L"
NUMBER = "26312000000123456789"
ISSUED_ON = dt.date(2026, 11, 5)


def with_tax_data(customer: Customer, **fields: str) -> Customer:
    """Give the customer what a special VAT e-invoice of China needs, unless the test says otherwise."""
    usual = {"legal_name": "上海港口书店有限公司", "tax_id": USCC, "invoice_kind": "special", "country": "CN"}
    Customer.objects.filter(pk=customer.pk).update(**usual | fields)
    customer.refresh_from_db()
    return customer


def stated(customer: Customer, month: int = 3, amount: str = "106.009", rate: str = "0.06") -> Statement:
    """A statement of a month of 2020, the 13th is of 2021, without the bills of which it is the sum."""
    last = Statement.objects.order_by("-sequence").first()
    payable = payable_of(exact=Decimal(amount), tax_rate=Decimal(rate))
    net, tax = (payable.tax.net, payable.tax.tax) if payable.tax else (payable.amount, Decimal(0))
    begins_at, ends_at = (
        dt.datetime(2020 + n // 12, n % 12 + 1, 1, tzinfo=SHANGHAI) for n in (month - 1, month)
    )
    return Statement.objects.create(
        **{"sequence": last.sequence + 1 if last else 1, "previous": last, "customer": customer, "bills": 0},
        **{
            "month": begins_at.date(),
            "time_zone": "Asia/Shanghai",
            "begins_at": begins_at,
            "ends_at": ends_at,
        },
        **{"customer_code": customer.code, "customer_name": customer.name, "buyer_name": customer.name},
        **{"usage_amount": amount, "purchases_amount": 0, "credits_amount": 0, "amount": amount},
        **{"payable": payable.amount, "tax_rate": rate, "net": net, "tax": tax, "issued_at": ends_at},
    )


def requested(customer: Customer, *statements: Statement, remarks: str = "") -> EInvoiceRequest:
    """Request an invoice of these statements, or of one that is made for it."""
    numbers = [one.number for one in statements or (stated(customer),)]
    return request_einvoice(customer=customer, numbers=numbers, remarks=remarks, by=ALICE, now=at(5))


def keep_einvoices(customer: Customer, statement: Statement, texts: Sequence[str] = ("未登记",)) -> None:
    """A request in each state; the statement, with an amount or without, is on the one that is issued.

    These texts are names, remarks and reasons.
    """
    with_tax_data(customer, legal_name=texts[0][:100])
    wait = [stated(customer, month) for month in range(2, 6)]
    withdraw_einvoice(request=requested(customer, wait[0]), by=ALICE, now=at(11))
    for text in texts:
        refuse_einvoice(request=requested(customer, wait[1]), reason=text[:500], by=CLERK, now=at(11))
    made = issued(requested(customer, wait[2], remarks=texts[-1][:200]), "1" * 20)
    record_red_letter(
        request=made, number="2" * 20, date=ISSUED_ON, reason=texts[0][:500], by=CLERK, now=at(12)
    )
    requested(customer, wait[3])
    issued(requested(customer, statement if statement.payable > 0 else wait[0]))


def reversed_(request: EInvoiceRequest, number: str = "2" * 20) -> EInvoiceRequest:
    """Record its red-letter invoice, a day later."""
    facts = {"number": number, "date": ISSUED_ON + dt.timedelta(days=1), "reason": "Wrong <name>."}
    record_red_letter(request=request, **facts, by=CLERK, now=at(12))  # type: ignore[arg-type]
    request.refresh_from_db()
    return request


def issued(request: EInvoiceRequest, number: str = NUMBER) -> EInvoiceRequest:
    """Record its invoice."""
    record_einvoice(request=request, number=number, date=ISSUED_ON, by=CLERK, now=at(10))
    request.refresh_from_db()
    return request
