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

from django.conf import settings
from django.db import connection

from invoices.closing.totals import DAY_ZONE
from invoices.monitoring.alarms import Seal
from sensenova_billing.lib.database.statements import load_statement
from usage.models import HOUR

TOP = 10
RISES = 5
# A rise is so many times the usual day and at least so many RMB above it.
TIMES_USUAL = 2
RISE_FROM = Decimal(100)
USUAL_DAYS = 7


class CustomerAmount(NamedTuple):
    """What a customer was billed this month; of a rise, in the last 24 closed hours.

    `usual` is of a rise the average of seven days before.
    """

    pk: int
    code: str
    name: str
    amount: Decimal
    usual: Decimal | None = None


@dataclass(frozen=True)
class CustomerRevenue:
    """The customers that the first page names."""

    top: list[CustomerAmount]
    rises: list[CustomerAmount]


def customer_revenue(*, now: dt.datetime, last_seal: Seal | None) -> CustomerRevenue:
    """Return who was billed most in the month of this instant, and whose last day rose."""
    if last_seal is None:
        return CustomerRevenue([], [])
    return _as_of(now.astimezone(DAY_ZONE).date().replace(day=1), last_seal)


@lru_cache(maxsize=4)
def _as_of(month: dt.date, last_seal: Seal) -> CustomerRevenue:
    hour, _ = last_seal
    return read_customers(month=month, closed_until=hour + HOUR)


def read_customers(*, month: dt.date, closed_until: dt.datetime) -> CustomerRevenue:
    """Return the largest bills of a month and rises of the last 24 closed hours, without canary customers."""
    since = closed_until - 24 * HOUR
    first = since.astimezone(DAY_ZONE).date()
    values: dict[str, Any] = {
        "month": month,
        "top": TOP,
        "since": since,
        "first": first,
        "usual_from": first - dt.timedelta(days=USUAL_DAYS),
        "usual_days": USUAL_DAYS,
        "times": TIMES_USUAL,
        "least": RISE_FROM,
        "rises": RISES,
        "canaries": settings.CANARY_CUSTOMERS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CUSTOMERS, values)
        found = [CustomerAmount(*row) for row in cursor.fetchall()]
    return CustomerRevenue(
        top=[one for one in found if one.usual is None], rises=[one for one in found if one.usual is not None]
    )


_CUSTOMERS = load_statement("read_customers.sql", beside=__file__)
