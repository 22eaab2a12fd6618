"""A statement as a document: the month's bill that its pages and files show, with what was copied."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from invoices.documents.monthly_bill import MonthlyBill, OtherPart, sum_items
from invoices.documents.months import Month
from invoices.documents.parties import Party
from invoices.documents.payable import Payable, Tax
from invoices.drilldown.bill_lists import BillRow, Selection
from invoices.models import Statement
from invoices.statements.parts import StatementParts


def document_of(statement: Statement) -> MonthlyBill:
    """Return the document of an issued statement; its customer is read with it."""
    customer = statement.customer
    parts = StatementParts(customer, statement.begins_at, statement.ends_at)
    bills = [BillRow(*row) for row in Selection(customer).rows(parts.bills())]
    return MonthlyBill(
        month=Month(customer, statement.month),
        number=statement.number,
        corrects=statement.corrects.number if statement.corrects else "",
        seller=_party(statement, "seller"),
        buyer=_party(statement, "buyer"),
        items=sum_items(bills),
        bills=bills,
        others=_others(parts, ZoneInfo(statement.time_zone)),
        payable=_payable(statement),
        billed_until=statement.ends_at,
        hours_under_review=0,
        made_at=statement.issued_at,
    )


def _party(statement: Statement, role: str) -> Party:
    return Party(*(getattr(statement, f"{role}_{name}") for name in ("name", "tax_id", "address", "email")))


def _payable(statement: Statement) -> Payable:
    tax = Tax(statement.tax_rate, statement.net, statement.tax) if statement.tax_rate else None
    return Payable(statement.amount, statement.payable, tax)


def _others(parts: StatementParts, zone: ZoneInfo) -> list[OtherPart]:
    bought, refunded = gettext("Purchase"), gettext("Refund")
    purchases = [
        OtherPart(_day(one.bought_at, zone), str(one), bought, one.package.product_name, one.amount)
        for one in parts.purchases()
    ]
    credits = [
        OtherPart(_day(one.issued_at, zone), one.number, refunded, one.product_name, -one.credited)
        for one in parts.credits()
    ]
    adjustments = [
        OtherPart(_day(at, zone), one.number, gettext(one.get_kind_display()), one.reason, one.owed)
        for one in parts.adjustments()
        if (at := one.decided_at)
    ]
    return purchases + credits + adjustments


def _day(instant: dt.datetime, zone: ZoneInfo) -> dt.date:
    return instant.astimezone(zone).date()
