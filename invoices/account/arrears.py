"""Arrears: from when on what a customer owes is overdue, and from when on it suspends.

What a customer has paid pays its oldest booking first. The oldest that is not paid in full is due at the end
of a day, and a grace after that the customer is suspended. What was not issued yet, such as a parked hour, is
on no booking, so no customer is in arrears for it.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from accounts.models import Customer
from accounts.payment_terms import own_or
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import start_of_day


@dataclass(frozen=True)
class Unpaid:
    """The oldest booking that is not paid in full."""

    booking: int
    at: dt.datetime


@dataclass(frozen=True)
class Arrears:
    """From when on the oldest unpaid booking is overdue, warns and suspends; each None: never."""

    due_at: dt.datetime | None
    warns_at: dt.datetime | None
    suspends_at: dt.datetime | None


NONE = Arrears(None, None, None)


def arrears_by(customer: Customer, unpaid: Unpaid | None) -> Arrears:
    """Return the dates that follow from it, by the customer's own days or those of all."""
    due_days = own_or(customer.due_days, settings.PAYMENT_DUE_DAYS)
    grace_days = own_or(customer.grace_days, settings.SUSPENSION_GRACE_DAYS)
    if unpaid is None or due_days is None:
        return NONE
    due_at = _end_of_day(customer, unpaid.at, days=due_days)
    if grace_days is None:
        return Arrears(due_at, None, None)
    notice_days = min(own_or(customer.notice_days, settings.SUSPENSION_NOTICE_DAYS), grace_days)
    return Arrears(
        due_at,
        _end_of_day(customer, unpaid.at, days=due_days + grace_days - notice_days),
        _end_of_day(customer, unpaid.at, days=due_days + grace_days),
    )


def unpaid_of(customer: Customer) -> Unpaid | None:
    """Return the oldest unpaid booking; None without one, or without days to pay."""
    if own_or(customer.due_days, settings.PAYMENT_DUE_DAYS) is None:
        return None
    return _first_unpaid(customer.pk).get(customer.pk)


def all_unpaid() -> dict[int, Unpaid]:
    """Return the oldest unpaid booking of each customer that has one; nothing if no days to pay are set."""
    if settings.PAYMENT_DUE_DAYS is None and not Customer.objects.exclude(due_days=None).exists():
        return {}
    return _first_unpaid(None)


def _first_unpaid(customer: int | None) -> dict[int, Unpaid]:
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_UNPAID, {"customer": customer})
        return {pk: Unpaid(*row) for pk, *row in cursor.fetchall()}


def _end_of_day(customer: Customer, at: dt.datetime, *, days: int) -> dt.datetime:
    """Return the end of the day so many days later, by the customer's clock."""
    zone = ZoneInfo(customer.time_zone)
    return start_of_day(at.astimezone(zone).date() + dt.timedelta(days=days + 1), zone)


_FIRST_UNPAID = load_statement("find_first_unpaid.sql", beside=__file__)
