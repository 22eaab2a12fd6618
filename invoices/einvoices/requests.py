"""Requesting a tax invoice of statements, and what becomes of the request.

A request is withdrawn by the customer, or refused by staff; or staff issue the invoice elsewhere and record
its number, and later perhaps that of the red-letter invoice that reverses it.
"""

import datetime as dt
from collections.abc import Collection

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext

from accounts.audit.context import set_audit_context
from accounts.models import Customer, EventKind, InvoiceKind
from accounts.tax_numbers import checked_tax_number
from invoices.einvoices.announce import announce
from invoices.einvoices.tax_data import problems_of, tax_data_of
from invoices.models import EInvoiceItem, EInvoiceRequest, EInvoiceState, Statement
from pricing.rules.amounts import exact_sum

MOST_STATEMENTS = 100
DIGITS = 20  # of the number of a fully digital invoice


class EInvoiceRefused(Exception):
    """Nothing was requested or recorded; the text says why."""


def statements_to_invoice(customer: Customer) -> QuerySet[Statement]:
    """Return the statements that may be requested, newest first.

    They have an amount and are not superseded; neither they nor one that they correct is on a live request.
    """
    requested = EInvoiceItem.objects.filter(
        customer=customer, begins_at=OuterRef("begins_at"), is_released=False
    )
    present = customer.statements.filter(payable__gt=0, corrected_by=None)
    return present.exclude(Exists(requested)).order_by("-sequence")


def superseded_on(request: EInvoiceRequest) -> list[tuple[Statement, Statement]]:
    """Return the statements of a request that are superseded, each with the one that corrects it."""
    statements = [item.statement for item in request.items.all()]
    return [(one, one.corrected_by) for one in statements if hasattr(one, "corrected_by")]


@transaction.atomic
def request_einvoice(
    *, customer: Customer, numbers: Collection[str], remarks: str, by: str, now: dt.datetime
) -> EInvoiceRequest:
    """Request one invoice of these statements, with the customer's tax data as they are.

    Raises EInvoiceRefused for data that are not complete, and for a statement that may not be requested.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)  # one after the other
    if problems := problems_of(customer):
        raise EInvoiceRefused(problems[0])
    statements = list(statements_to_invoice(customer).filter(number__in=numbers).order_by("sequence"))
    if missing := sorted(set(numbers) - {one.number for one in statements}):
        words = gettext("%(numbers)s cannot be requested: on another request, superseded, or not yours.")
        raise EInvoiceRefused(words % {"numbers": ", ".join(missing)})
    if not 0 < len(statements) <= MOST_STATEMENTS:
        raise EInvoiceRefused(gettext("Choose a statement, at most %(most)s.") % {"most": MOST_STATEMENTS})
    data = tax_data_of(customer)
    if customer.tax_id:
        data["buyer_tax_id"] = checked_tax_number(country=customer.country, number=customer.tax_id)
    set_audit_context(by=by)
    sums = {name: exact_sum(getattr(one, name) for one in statements) for name in ("net", "tax", "payable")}
    made = EInvoiceRequest.objects.create(
        **{"customer": customer, **data, **sums, "remarks": remarks, "requested_by": by, "requested_at": now}
    )
    EInvoiceItem.objects.bulk_create(
        EInvoiceItem(request=made, statement=one, customer=customer, begins_at=one.begins_at)
        for one in statements
    )
    return made


@transaction.atomic
def withdraw_einvoice(*, request: EInvoiceRequest, by: str, now: dt.datetime) -> None:
    """Withdraw a request for which nothing was issued; its statements may be requested again."""
    waiting = _locked(request, EInvoiceState.REQUESTED)
    set_audit_context(by=by)
    waiting.state, waiting.decided_by, waiting.decided_at = EInvoiceState.WITHDRAWN, by, now
    waiting.save(update_fields=["state", "decided_by", "decided_at"])


@transaction.atomic
def refuse_einvoice(*, request: EInvoiceRequest, reason: str, by: str, now: dt.datetime) -> None:
    """Refuse a request, for a reason that the customer reads; its statements may be requested again."""
    waiting = _locked(request, EInvoiceState.REQUESTED)
    set_audit_context(by=by, reason=reason)
    waiting.state, waiting.decided_by, waiting.decided_at = EInvoiceState.REFUSED, by, now
    waiting.refusal = reason
    waiting.save(update_fields=["state", "refusal", "decided_by", "decided_at"])
    announce(waiting, EventKind.EINVOICE_REFUSED, reason=reason, now=now)


@transaction.atomic
def record_einvoice(
    *, request: EInvoiceRequest, number: str, date: dt.date, by: str, now: dt.datetime
) -> None:
    """Record the invoice that was issued; again, if its number or date was mistyped."""
    waiting = _locked(request, EInvoiceState.REQUESTED, EInvoiceState.ISSUED)
    others = EInvoiceRequest.objects.exclude(pk=request.pk)
    _require_number(number, of=waiting, taken=others)
    if (waiting.invoice_number, waiting.invoice_date) == (number, date):
        return
    set_audit_context(by=by)
    waiting.state, waiting.decided_by, waiting.decided_at = EInvoiceState.ISSUED, by, now
    waiting.invoice_number, waiting.invoice_date = number, date
    waiting.save(update_fields=["state", "invoice_number", "invoice_date", "decided_by", "decided_at"])
    facts = {"invoice_number": number, "invoice_date": str(date)}
    announce(waiting, EventKind.EINVOICE_ISSUED, **facts, now=now)


@transaction.atomic
def record_red_letter(
    *, request: EInvoiceRequest, number: str, date: dt.date, reason: str, by: str, now: dt.datetime
) -> None:
    """Record the invoice that reverses the one that was issued; the statements may be requested again."""
    issued = _locked(request, EInvoiceState.ISSUED)
    _require_number(number, of=issued, taken=EInvoiceRequest.objects.all())
    if issued.invoice_date and date < issued.invoice_date:
        raise EInvoiceRefused(gettext("It is from before the invoice that it reverses."))
    set_audit_context(by=by, reason=reason)
    issued.state, issued.reversed_by, issued.reversed_at = EInvoiceState.REVERSED, by, now
    issued.red_number, issued.red_date, issued.red_reason = number, date, reason
    issued.save(update_fields=["state", "red_number", "red_date", "red_reason", "reversed_by", "reversed_at"])
    facts = {"invoice_number": issued.invoice_number, "reversing_number": number, "reversing_date": str(date)}
    announce(issued, EventKind.EINVOICE_REVERSED, **facts, reason=reason, now=now)


def _locked(request: EInvoiceRequest, *states: EInvoiceState) -> EInvoiceRequest:
    found = EInvoiceRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if found.state not in states:
        words = {"number": found.number, "state": gettext(found.get_state_display())}
        raise EInvoiceRefused(gettext("%(number)s is %(state)s already.") % words)
    return found


def _require_number(number: str, *, of: EInvoiceRequest, taken: QuerySet[EInvoiceRequest]) -> None:
    """Refuse a number that an invoice of China cannot have, and one that was recorded already."""
    is_of_china = of.kind != InvoiceKind.UBL
    if is_of_china and not (len(number) == DIGITS and number.isascii() and number.isdigit()):
        raise EInvoiceRefused(
            gettext("The number of a fully digital invoice has %(digits)s digits.") % {"digits": DIGITS}
        )
    if other := taken.filter(Q(invoice_number=number) | Q(red_number=number)).first():
        words = {"number": number, "request": other.number}
        raise EInvoiceRefused(gettext("%(number)s is recorded of %(request)s already.") % words)
