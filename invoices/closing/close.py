"""Closing an hour: its usage becomes charge lines and bills, once and for ever.

Closing is idempotent and safe to run concurrently: the exclusive lock waits for records being inserted, the
row of the billing hour can be inserted once only, and one transaction holds it all.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.models import Customer
from invoices.closing.announce import announce_bills
from invoices.closing.bill import Billed, bill_hour
from invoices.closing.refunds import credit_refunds
from invoices.closing.seal import seal_hour
from invoices.closing.totals import add_to_totals
from invoices.models import ParkedHour, Release
from invoices.rating.usage_sql import allow_memory
from usage.billing_hours import BEGINNING, last_closed_hour, lock_hour_for_closing, next_hour_to_close
from usage.models import HOUR, BillingHour

PARKED_NAMED = 20


@dataclass(frozen=True)
class ClosedHour:
    """What the closing of one hour made, bills of released hours included; `str` is one line for logs."""

    hour: dt.datetime
    records: int
    bills: int
    lines: int
    parked: int
    amount: Decimal
    parked_reasons: tuple[tuple[str, str], ...] = ()  # customer and reason, of the first PARKED_NAMED
    took: dt.timedelta = dt.timedelta(0)

    def __str__(self) -> str:
        closed = (
            f"{self.hour:%Y-%m-%d %H:%M} UTC: {self.records:,} records, {self.bills:,} bills, "
            f"{self.lines:,} lines, {self.amount.normalize():,f} RMB, in {self.took.total_seconds():.3f} s"
        )
        if not self.parked:
            return closed
        parked = [f"{customer} ({reason.removesuffix('.')})" for customer, reason in self.parked_reasons]
        if self.parked > len(parked):
            parked.append(f"{self.parked - len(parked):,} more")
        return f"{closed}; parked: {', '.join(parked)}"


def close_due_hours(
    *, now: dt.datetime, on_closed: Callable[[ClosedHour], None] | None = None
) -> list[ClosedHour]:
    """Close every hour that ended at least the grace ago, oldest first, and return those that we closed.

    `on_closed` is called after the commit of each.
    """
    closed = []
    while (hour := next_hour_to_close()) is not None and hour + HOUR + settings.CLOSING_GRACE <= now:
        began = time.monotonic()
        if made := close_hour(hour=hour, now=now):
            made = replace(made, took=dt.timedelta(seconds=time.monotonic() - began))
            closed.append(made)
            if on_closed:
                on_closed(made)
    return closed


@transaction.atomic(durable=True)
def close_hour(*, hour: dt.datetime, now: dt.datetime) -> ClosedHour | None:
    """Turn the hour's records into bills and close it for ever; None when it is not this hour's turn."""
    lock_hour_for_closing(hour)
    if last_closed_hour() is None:
        lock_hour_for_closing(BEGINNING)
    if next_hour_to_close() != hour:
        return None  # another closing was faster, or an older record came before the very first closing
    previous = last_closed_hour()
    BillingHour.objects.create(hour=hour, previous_id=previous, closed_at=now)
    allow_memory()
    billed = [*_bill_released(hour=hour, now=now), bill_hour(hour=hour, sealed_in=hour, now=now)]
    credit_refunds(hour=hour, now=now)
    add_to_totals(hour=hour)
    announce_bills(hour=hour, now=now)
    seal = seal_hour(hour=hour, previous=previous, billed=billed)
    return ClosedHour(
        hour=hour,
        records=seal.records,
        bills=seal.bills,
        lines=seal.lines,
        parked=seal.parked,
        amount=seal.amount,
        parked_reasons=_parked_reasons(hour) if seal.parked else (),
    )


def _bill_released(*, hour: dt.datetime, now: dt.datetime) -> list[Billed]:
    """Bill what was parked and is released by now, oldest first; what still does not add up stays parked."""
    released: dict[dt.datetime, list[int]] = {}
    for parked_hour, customer_id in (
        Release.objects.filter(billing_hour__lte=hour)
        .exclude(parked__hour__bills__customer_id=F("parked__customer_id"))
        .values_list("parked__hour_id", "parked__customer_id")
        .order_by("parked__hour_id")
    ):
        released.setdefault(parked_hour, []).append(customer_id)
    return [
        bill_hour(hour=parked_hour, sealed_in=hour, now=now, released=customers)
        for parked_hour, customers in released.items()
    ]


def _parked_reasons(hour: dt.datetime) -> tuple[tuple[str, str], ...]:
    parked = ParkedHour.objects.filter(hour_id=hour).order_by("customer_id")[:PARKED_NAMED]
    customers = Customer.objects.in_bulk([one.customer_id for one in parked])
    # The customer of a record that is parked may be unknown.
    return tuple((str(customers.get(one.customer_id, one.customer_id)), one.reason) for one in parked)
