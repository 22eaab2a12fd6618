"""Balance rules: when a customer is in arrears, suspended for them, and resumed.

What a customer has paid pays its oldest booking first. The oldest that is not paid in full is due at the end
of a day, and a grace after that the customer is suspended. What was not issued yet, such as a parked hour, is
on no booking, so no customer is suspended for it. A suspension by hand is a field of its own, which nothing
here touches.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from accounts.audit.context import set_audit_context
from accounts.models import Customer, EventKind
from accounts.webhooks.events import emit_event
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import start_of_day

BY = "balance rules"


@dataclass(frozen=True)
class Arrears:
    """From when on the oldest unpaid booking is overdue, and suspends; each None: never."""

    due_at: dt.datetime | None
    suspends_at: dt.datetime | None


def apply_balance_rules(*, now: dt.datetime) -> int:
    """Suspend and resume every customer by the rules as of now, and return how many; idempotent.

    Each that is to change is decided again under its lock: a payment may be under way.
    """
    unpaid = _first_unpaid(None) if _may_suspend() else {}
    customers = Customer.objects.filter(Q(pk__in=unpaid) | Q(suspended_for_arrears_at__isnull=False))
    to_change = [
        one.pk for one in customers.order_by("pk") if _is_to_change(one, unpaid.get(one.pk), now=now)
    ]
    return sum(_apply_to(pk, now=now) for pk in to_change)


def resume_if_within_rules(*, customer: Customer, now: dt.datetime) -> None:
    """Resume a customer that is in arrears no longer; in a transaction that has locked it."""
    stored = Customer.objects.get(pk=customer.pk)
    if stored.suspended_for_arrears_at is not None and _is_to_change(stored, _booked_at(stored), now=now):
        _set(stored, None, now=now)


def arrears_of(customer: Customer) -> Arrears:
    """Return the dates of what the customer owes, by its own days to pay and of grace or those of all."""
    return _arrears(customer, _booked_at(customer))


def _booked_at(customer: Customer) -> dt.datetime | None:
    """Return when the oldest unpaid booking was booked; None without one, or without days to pay."""
    return None if _due_days(customer) is None else _first_unpaid(customer.pk).get(customer.pk)


def _arrears(customer: Customer, booked_at: dt.datetime | None) -> Arrears:
    due_days = _due_days(customer)
    grace_days = _own_or(customer.grace_days, settings.SUSPENSION_GRACE_DAYS)
    if booked_at is None or due_days is None:
        return Arrears(None, None)
    suspends_at = None
    if grace_days is not None:
        suspends_at = _end_of_day(customer, booked_at, days=due_days + grace_days)
    return Arrears(_end_of_day(customer, booked_at, days=due_days), suspends_at)


@transaction.atomic
def _apply_to(pk: int, *, now: dt.datetime) -> bool:
    customer = Customer.objects.select_for_update(no_key=True).get(pk=pk)
    if not _is_to_change(customer, _booked_at(customer), now=now):
        return False
    _set(customer, None if customer.suspended_for_arrears_at else now, now=now)
    return True


def _is_to_change(customer: Customer, booked_at: dt.datetime | None, *, now: dt.datetime) -> bool:
    """Whether the rules say otherwise than the customer is."""
    suspends_at = _arrears(customer, booked_at).suspends_at
    is_to_be_suspended = suspends_at is not None and suspends_at <= now
    return is_to_be_suspended != (customer.suspended_for_arrears_at is not None)


def _set(customer: Customer, at: dt.datetime | None, *, now: dt.datetime) -> None:
    """Store it, with an event unless the customer is suspended by hand as well."""
    set_audit_context(by=BY, reason="In arrears." if at else "No longer in arrears.")
    Customer.objects.filter(pk=customer.pk).update(suspended_for_arrears_at=at)
    if not customer.is_suspended:
        kind = EventKind.CUSTOMER_SUSPENDED if at else EventKind.CUSTOMER_RESUMED
        emit_event(customer=customer, kind=kind, payload={}, key=now.isoformat(), now=now)


def _may_suspend() -> bool:
    """Whether days to pay and of grace are set, each for all or for anybody."""
    return all(
        getattr(settings, name) is not None or Customer.objects.exclude(**{field: None}).exists()
        for field, name in (
            ("due_days", "PAYMENT_DUE_DAYS"),
            ("grace_days", "SUSPENSION_GRACE_DAYS"),
        )
    )


def _first_unpaid(customer: int | None) -> dict[int, dt.datetime]:
    """Return by customer when its oldest unpaid booking was booked; of one customer, or of all."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_UNPAID, {"customer": customer})
        return dict(cursor.fetchall())


def _due_days(customer: Customer) -> int | None:
    return _own_or(customer.due_days, settings.PAYMENT_DUE_DAYS)


def _own_or(own: int | None, of_all: int | None) -> int | None:
    return of_all if own is None else own


def _end_of_day(customer: Customer, at: dt.datetime, *, days: int) -> dt.datetime:
    """Return the end of the day so many days later, by the customer's clock."""
    zone = ZoneInfo(customer.time_zone)
    return start_of_day(at.astimezone(zone).date() + dt.timedelta(days=days + 1), zone)


_FIRST_UNPAID = load_statement("find_first_unpaid.sql", beside=__file__)
