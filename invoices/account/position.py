"""What a customer has now: its balance less what is billed on no statement and what open hours come to."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from django.conf import settings
from django.db import connection

from accounts.models import Customer
from accounts.payment_terms import own_or
from invoices.models import OpenHourAlarm
from invoices.running.open_hours import read_open_hours
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import EPOCH, hour_of


@dataclass(frozen=True)
class Position:
    """Amounts in RMB. `spent` is the spending of the last closed hours that decide whether little is left."""

    closed: dt.datetime | None
    balance: Decimal
    unbilled: Decimal
    running: Decimal
    spent: Decimal
    paid_by: int

    @property
    def available(self) -> Decimal:
        """What is paid ahead and not used; below 0 it is owed."""
        return exact_sum([self.balance, -self.unbilled, -self.running])


def positions_of(customers: Collection[Customer], *, now: dt.datetime) -> dict[int, Position]:
    """Return the position of each by primary key.

    Open hours count as they were last summed up, which is done of hours with much usage. Of a customer that
    pays ahead the others are rated as well, so that it is stopped soon after nothing is left.
    """
    with connection.cursor() as cursor:
        pks = [one.pk for one in customers]
        cursor.execute(_POSITIONS, {"customers": pks, "hours": settings.LOW_BALANCE_HOURS})
        found = {pk: Position(*row) for pk, *row in cursor.fetchall()}
    for customer in customers:
        if pays_ahead(customer):
            read = found[customer.pk]
            rated = _rated_now(customer, read.closed, now=now)
            found[customer.pk] = replace(read, running=exact_sum([read.running, rated]))
    return found


def pays_ahead(customer: Customer) -> bool:
    """Whether the customer's calls are admitted only until what was paid ahead is used up."""
    return bool(own_or(customer.pays_ahead, settings.CUSTOMERS_PAY_AHEAD))


def limit_of(customer: Customer) -> Decimal | None:
    """Return how much the customer may owe; None: any amount. One that pays ahead may owe nothing."""
    if pays_ahead(customer):
        return Decimal(0)
    limit: Decimal | None = own_or(customer.credit_limit, settings.CREDIT_LIMIT)
    return limit


def _rated_now(customer: Customer, closed: dt.datetime | None, *, now: dt.datetime) -> Decimal:
    """Return what the open hours come to that are not summed up, without those that would be parked."""
    hours = read_open_hours(customer=customer, after=closed or EPOCH, this_hour=hour_of(now))
    alarms = OpenHourAlarm.objects.filter(customer=customer, hour__in=[one.hour for one in hours])
    parked = set(alarms.values_list("hour", flat=True))
    return exact_sum(one.amount for one in hours if one.as_of is None and one.hour not in parked)


_POSITIONS = load_statement("find_positions.sql", beside=__file__)
