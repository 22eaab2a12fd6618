"""Issuing statements: each customer's month, once it is over and its last hour is closed.

A month ends by the customer's clock. Its statement is a draft, the page of the month, until the day that the
setting names; then the clock issues it. A customer's statements follow one another without a gap between
their spans, so every document is on exactly one.
"""

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext

from accounts.models import Customer, EventKind
from accounts.webhooks.events import emit_event
from invoices.account.transactions import book_statement
from invoices.documents.months import Month
from invoices.documents.parties import buyer_of, seller
from invoices.documents.payable import payable_of
from invoices.models import Statement
from invoices.statements.parts import PartSums, StatementParts, sum_parts
from pricing.rules.amounts import plain
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import last_closed_hour
from usage.models import HOUR

_FIRST_DOCUMENT = load_statement("find_first_document.sql", beside=__file__)
_WITH_DOCUMENTS = load_statement("find_customers.sql", beside=__file__)


class NothingToCorrect(Exception):
    """The statement is superseded already, or would be the same."""


def issue_due_statements(*, now: dt.datetime) -> int:
    """Issue every statement that is due, oldest month first, and return how many; idempotent."""
    last_closed = last_closed_hour()
    if last_closed is None:
        return 0
    closed_until = last_closed + HOUR
    issued = 0
    for customer in _customers_with_documents(now=now):
        while issue_next_statement(customer=customer, closed_until=closed_until, now=now):
            issued += 1
    return issued


@transaction.atomic
def issue_next_statement(
    *, customer: Customer, closed_until: dt.datetime, now: dt.datetime
) -> Statement | None:
    """Issue the customer's next statement and book it, if its month is final; None if nothing is due."""
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    last = customer.statements.filter(corrects=None).first()
    following = _next_parts(customer, last)
    if following is None:
        return None
    parts, month = following
    if final_at(month) > now or parts.ends_at > closed_until:
        return None
    statement = _new_statement(month=month, parts=parts, sums=sum_parts(parts), now=now)
    book_statement(statement)
    emit_event(
        customer=customer,
        kind=EventKind.STATEMENT_ISSUED,
        payload={
            "statement": statement.number,
            "month": str(month),
            "payable": plain(statement.payable),
            "currency": "CNY",
        },
        key=statement.number,
        now=now,
    )
    return statement


@transaction.atomic
def correct_statement(*, statement: Statement, reason: str, by: str, now: dt.datetime) -> Statement:
    """Issue a statement of the same amounts that names the parties as they are now, and supersedes this one.

    Raises NothingToCorrect if it is superseded already, or names the parties as they are.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=statement.customer_id)
    if Statement.objects.filter(corrects=statement).exists():
        raise NothingToCorrect(gettext("%(number)s is superseded already.") % {"number": statement.number})
    parties = _parties(customer)
    if all(getattr(statement, name) == value for name, value in parties.items()):
        raise NothingToCorrect(gettext("It names the parties as they are: change them first."))
    copied = (
        *("customer", "month", "time_zone", "begins_at", "ends_at", "bills", "usage_amount"),
        *("purchases_amount", "credits_amount", "adjustments_amount", "amount"),
        *("payable", "tax_rate", "net", "tax"),
    )
    fields = {name: getattr(statement, name) for name in copied} | parties
    return _store(**fields, corrects=statement, reason=reason, issued_by=by, issued_at=now)


def final_at(month: Month) -> dt.datetime:
    """Return when the month's statement is issued: a day of the next month, by the customer's clock."""
    day = month.last_day + dt.timedelta(days=settings.STATEMENT_DAY)
    return start_of_day(day, ZoneInfo(month.customer.time_zone))


def _final_until(zone: ZoneInfo, *, now: dt.datetime) -> dt.datetime:
    """Return the end of the last month that is final by this clock."""
    first_day = now.astimezone(zone).date().replace(day=1)
    if start_of_day(first_day + dt.timedelta(days=settings.STATEMENT_DAY - 1), zone) > now:
        first_day = (first_day - dt.timedelta(days=1)).replace(day=1)
    return start_of_day(first_day, zone)


def _next_parts(customer: Customer, last: Statement | None) -> tuple[StatementParts, Month] | None:
    """Return the span of the next statement and its month; None without documents for it."""
    since = last.ends_at if last else None
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_DOCUMENT, {"customer": customer.pk, "since": since})
        (first,) = cursor.fetchone()
    if first is None:
        return None
    first_day = first.astimezone(ZoneInfo(customer.time_zone)).date().replace(day=1)
    if last is None or first_day > (following := _month_after(last.month)):
        month = Month(customer, first_day)
        return StatementParts(customer, month.begin, month.end), month
    # The clock may have been set otherwise since: the spans follow one another all the same.
    month = Month(customer, following)
    return StatementParts(customer, last.ends_at, max(month.end, last.ends_at + HOUR)), month


def _month_after(first_day: dt.date) -> dt.date:
    return (first_day + dt.timedelta(days=32)).replace(day=1)


def _new_statement(*, month: Month, parts: StatementParts, sums: PartSums, now: dt.datetime) -> Statement:
    payable = payable_of(exact=sums.amount, tax_rate=settings.TAX_RATE)
    return _store(
        customer=month.customer,
        month=month.first_day,
        time_zone=month.customer.time_zone,
        begins_at=parts.begins_at,
        ends_at=parts.ends_at,
        **_parties(month.customer),
        bills=sums.bills,
        usage_amount=sums.usage,
        purchases_amount=sums.purchases,
        credits_amount=sums.credits,
        adjustments_amount=sums.adjustments,
        amount=payable.exact,
        payable=payable.amount,
        tax_rate=settings.TAX_RATE,
        net=payable.tax.net if payable.tax else payable.amount,
        tax=payable.tax.tax if payable.tax else 0,
        issued_at=now,
    )


def _parties(customer: Customer) -> dict[str, str]:
    names = {"customer_code": customer.code, "customer_name": customer.name}
    for role, party in (("buyer", buyer_of(customer)), ("seller", seller())):
        names |= {f"{role}_name": party.name, f"{role}_tax_id": party.tax_id}
        names |= {f"{role}_address": party.address, f"{role}_email": party.email}
    return names


def _store(**fields: object) -> Statement:
    """Store a statement under the next number; concurrent callers wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('invoices: statements are numbered'))")
    last = Statement.objects.order_by("-sequence").first()
    number = last.sequence + 1 if last else 1
    return Statement.objects.create(sequence=number, previous=last, **fields)


def _customers_with_documents(*, now: dt.datetime) -> Iterator[Customer]:
    """Yield each customer that has documents of a final month on no statement."""
    zones = list(Customer.objects.order_by("time_zone").values_list("time_zone", flat=True).distinct())
    until = [_final_until(ZoneInfo(zone), now=now) for zone in zones]
    with connection.cursor() as cursor:
        cursor.execute(_WITH_DOCUMENTS, {"zones": zones, "until": until})
        found = [pk for (pk,) in cursor.fetchall()]
    yield from Customer.objects.filter(pk__in=found).order_by("pk").iterator()
