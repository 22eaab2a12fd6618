"""A customer's open hours, as they would be billed now or as they were last summed up.

The last closed hour is read before them and once, and only later hours are open: an hour that closes while a
page is read is not counted twice.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from django.db.models import Min

from accounts.models import Customer
from invoices.models import RunningHour
from invoices.rating.charges_sql import Charge, KnownOfHour, charges_of_customers, charges_so_far
from invoices.rating.usage_sql import PRICE_INSTANTS
from invoices.running.refresh import draw_of
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import EPOCH
from usage.models import HOUR, UsageRecord


@dataclass(frozen=True)
class OpenHour:
    """An hour that is not closed yet, as it would be billed now; `as_of` where it was summed up before."""

    hour: dt.datetime
    is_running: bool
    calls: int
    reversals: int
    charges: list[Charge]
    amount: Decimal
    as_of: dt.datetime | None = None

    @property
    def records(self) -> int:
        """Calls, and reversals of calls."""
        return self.calls + self.reversals

    @property
    def has_corrections(self) -> bool:
        """Whether something on earlier bills is corrected."""
        return any(charge.correction for charge in self.charges)

    @property
    def has_covered(self) -> bool:
        """Whether a package covers something."""
        return any(charge.package for charge in self.charges)


class OpenCharges(NamedTuple):
    """What a customer's open hour would be billed now; `as_of` where it was summed up before."""

    hour: dt.datetime
    charges: list[Charge]
    as_of: dt.datetime | None


def read_open_hours(*, customer: Customer, after: dt.datetime, this_hour: dt.datetime) -> list[OpenHour]:
    """Return the customer's open hours with usage, oldest first, and always the running hour as the last."""
    hours = []
    drawn: dict[int, Decimal] = {}
    for hour, calls, reversals, as_of, summed, instants, has_packages in _rows(
        customer=customer, after=after, this_hour=this_hour
    ):
        if summed is None and instants is None and hour != this_hour:
            continue  # it was not used
        charges = [] if summed is None else msgspec.json.decode(summed, type=list[Charge])
        if instants is not None:
            known = KnownOfHour(instants, has_packages, has_reversals=reversals > 0)
            charges = charges_so_far(customer_id=customer.pk, hour=hour, drawn_before=drawn, known=known)
        drawn = draw_of(charges, drawn=drawn)
        amount = exact_sum(charge.amount for charge in charges)
        hours.append(OpenHour(hour, hour == this_hour, calls, reversals, charges, amount, as_of))
    return hours


def read_open_charges(
    *, customers: Collection[int], after: dt.datetime, this_hour: dt.datetime
) -> dict[int, list[OpenCharges]]:
    """Return the charges of open hours of many customers at once, oldest first, of hours with any."""
    found: dict[int, list[OpenCharges]] = {customer_id: [] for customer_id in customers}
    hours = _open_hours(after=after, this_hour=this_hour)
    running = RunningHour.objects.filter(customer__in=found, hour__in=hours)
    summed = {(one.customer_id, one.hour): one for one in running}
    drawn: dict[int, Decimal] = {}
    for hour in hours:
        rated = [one for one in found if (one, hour) not in summed]
        charged = charges_of_customers(customers=rated, hour=hour, drawn_before=drawn) if rated else {}
        for customer_id, its in found.items():
            row = summed.get((customer_id, hour))
            charges = msgspec.convert(row.charges, list[Charge]) if row else charged.get(customer_id, [])
            if charges or row:
                its.append(OpenCharges(hour, charges, row.as_of if row else None))
            drawn = draw_of(charges, drawn=drawn) if charges else drawn
    return found


def _rows(*, customer: Customer, after: dt.datetime, this_hour: dt.datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "customer": customer.pk,
            "hours": _open_hours(after=after, this_hour=this_hour),
            "before": this_hour + HOUR,
        }
        cursor.execute(_READ, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _open_hours(*, after: dt.datetime, this_hour: dt.datetime) -> list[dt.datetime]:
    """Return the hours after the last closed one up to this hour; this hour at least."""
    first: dt.datetime = after + HOUR
    if after == EPOCH:
        records = UsageRecord.objects.filter(billing_hour__lte=this_hour)
        first = records.aggregate(first=Min("billing_hour"))["first"] or this_hour
    return [first + n * HOUR for n in range((this_hour - first) // HOUR + 1)] or [this_hour]


_READ = load_statement("read_open_hours.sql", beside=__file__, price_instants=PRICE_INSTANTS)
