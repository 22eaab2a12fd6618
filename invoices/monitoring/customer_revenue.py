"""The customers who were billed most this month, and those whose last day is far above their usual one.

Both come from the customers' totals, which change with closings only: each process reads them once for each
closed hour, and the seal tells hours apart. What the last 24 hours came to is summed from bills, but only of
the few customers whose totals of today and yesterday could amount to a rise.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from invoices.closing.totals import DAY_ZONE
from invoices.models import CustomerTotal, HourSeal, TotalPeriod
from sensenova_billing.lib.database.statements import load_statement
from usage.models import HOUR

TOP = 10
RISES = 5
# A rise is so many times the usual day and at least so many RMB above it.
TIMES_USUAL = 2
RISE_FROM = Decimal(100)
USUAL_DAYS = 7


class CustomerAmount(NamedTuple):
    """What a customer was billed."""

    pk: int
    code: str
    name: str
    amount: Decimal


class Rise(NamedTuple):
    """What the last 24 closed hours of a customer came to; `usual` is the average of seven days before."""

    pk: int
    code: str
    name: str
    amount: Decimal
    usual: Decimal


@dataclass(frozen=True)
class CustomerRevenue:
    """The customers that the first page names."""

    top: list[CustomerAmount]
    rises: list[Rise]


def customer_revenue(*, now: dt.datetime) -> CustomerRevenue:
    """Return who was billed most in the month of this instant, and whose last day rose."""
    last = HourSeal.objects.order_by("-hour_id").values_list("hour_id", "sha256").first()
    if last is None:
        return CustomerRevenue([], [])
    hour, sha256 = last
    return _as_of(now.astimezone(DAY_ZONE).date().replace(day=1), hour + HOUR, bytes(sha256))


@lru_cache(maxsize=4)
def _as_of(month: dt.date, closed_until: dt.datetime, sha256: bytes) -> CustomerRevenue:
    return CustomerRevenue(top=top_of_month(month=month), rises=sudden_rises(closed_until=closed_until))


def top_of_month(*, month: dt.date) -> list[CustomerAmount]:
    """Return the customers who were billed most in the month that begins on this day."""
    totals = CustomerTotal.objects.filter(period=TotalPeriod.MONTH, begins_on=month)
    names = ("customer_id", "customer__code", "customer__name", "amount")
    return [
        CustomerAmount(*row) for row in totals.order_by("-amount", "customer_id").values_list(*names)[:TOP]
    ]


def sudden_rises(*, closed_until: dt.datetime) -> list[Rise]:
    """Return the largest rises of the 24 hours up to the end of the last closed one."""
    since = closed_until - 24 * HOUR
    first = since.astimezone(DAY_ZONE).date()
    values: dict[str, Any] = {
        "since": since,
        "first": first,
        "usual_from": first - dt.timedelta(days=USUAL_DAYS),
        "usual_days": USUAL_DAYS,
        "times": TIMES_USUAL,
        "least": RISE_FROM,
        "rises": RISES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RISES, values)
        return [Rise(*row) for row in cursor.fetchall()]


_RISES = load_statement("sudden_rises.sql", beside=__file__)
