"""A customer's calendar months, by its clock, with what their hourly bills come to."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Exists, Max, OuterRef

from accounts.models import Customer
from invoices.drilldown.bill_lists import BillRow, Selection
from invoices.models import HourlyBill, ParkedHour
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import last_closed_hour
from usage.models import HOUR

MONTHS_A_PAGE = 12
_SUM_MONTHS = load_statement("sum_months.sql", beside=__file__)
_MONTH = re.compile(r"(2[01][0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Month:
    """A calendar month of a customer."""

    customer: Customer
    first_day: dt.date

    def __str__(self) -> str:
        """Return e.g. `2026-11`."""
        return f"{self.first_day:%Y-%m}"

    @property
    def begin(self) -> dt.datetime:
        """Its first instant, in UTC."""
        return start_of_day(self.first_day, ZoneInfo(self.customer.time_zone))

    @property
    def end(self) -> dt.datetime:
        """The first instant of the next one, in UTC."""
        return start_of_day(_shifted(self.first_day, 1), ZoneInfo(self.customer.time_zone))

    @property
    def last_day(self) -> dt.date:
        """Its last day."""
        return _shifted(self.first_day, 1) - dt.timedelta(days=1)

    def bills(self) -> list[BillRow]:
        """Return its hourly bills, oldest first."""
        selection = Selection(self.customer, first_day=self.first_day, last_day=self.last_day)
        return [BillRow(*row) for row in selection.rows(selection.bills().reverse())]

    def hours_under_review(self) -> int:
        """Return how many of its hours are parked and not billed yet."""
        billed = HourlyBill.objects.filter(customer=self.customer, hour=OuterRef("hour"))
        parked = ParkedHour.objects.filter(customer=self.customer, hour__gte=self.begin, hour__lt=self.end)
        return parked.exclude(Exists(billed)).count()

    def billed_until(self) -> dt.datetime:
        """Return until when it is billed: its end, once its last hour is closed."""
        last_closed = last_closed_hour()
        return self.begin if last_closed is None else max(self.begin, min(self.end, last_closed + HOUR))


@dataclass(frozen=True)
class MonthSum:
    """A month with bills, and what they come to."""

    month: Month
    bills: int
    amount: Decimal


@dataclass(frozen=True)
class MonthsPage:
    """Some months, newest first; `before` is the key of the older ones."""

    months: list[MonthSum]
    before: str | None
    has_newer: bool


def read_month(text: str) -> dt.date:
    """Return the first day of a month that is written `2026-11`; raise ValueError for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError("Write a month as year-month, such as 2026-11.")
    return dt.date(int(found[1]), int(found[2]), 1)


def months_of(*, customer: Customer, before: dt.date | None = None) -> MonthsPage:
    """Return the newest months with bills, at most a year of them, or the newest of those before a month."""
    bills = HourlyBill.objects.filter(customer=customer)
    if before:
        bills = bills.filter(hour_id__lt=Month(customer, before).begin)
    newest = bills.aggregate(newest=Max("hour_id"))["newest"]
    if newest is None:
        return MonthsPage([], before=None, has_newer=before is not None)
    last = newest.astimezone(ZoneInfo(customer.time_zone)).date().replace(day=1)
    months = [Month(customer, _shifted(last, 1 - MONTHS_A_PAGE + n)) for n in range(MONTHS_A_PAGE)]
    has_older = bills.filter(hour_id__lt=months[0].begin).exists()
    found = list(_sums(customer, months))
    return MonthsPage(found, before=str(found[-1].month) if has_older else None, has_newer=before is not None)


def _sums(customer: Customer, months: list[Month]) -> Iterator[MonthSum]:
    begins = [month.begin for month in months]
    params: Any = {"customer": customer.pk, "begins": begins, "begin": begins[0], "end": months[-1].end}
    with connection.cursor() as cursor:
        cursor.execute(_SUM_MONTHS, params)
        for place, bills, amount in cursor.fetchall():
            yield MonthSum(months[place - 1], bills, amount)


def _shifted(first_day: dt.date, months: int) -> dt.date:
    years, month = divmod(first_day.month - 1 + months, 12)
    return dt.date(first_day.year + years, month + 1, 1)
