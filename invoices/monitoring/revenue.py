"""Revenue: what was billed per hour, day and month, beside the same span before.

All of it comes from the seals, one row an hour: what the closing of the hour billed, without what canary
customers were billed. Days are those of the customers' totals. Purchases of packages are no part of it.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from invoices.closing.totals import DAY_ZONE
from invoices.models import HourlyBill, HourSeal
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import hour_of
from usage.models import HOUR

HOURS, DAYS = 48, 30
# From the beginning of the month before, and of the days before the days that are shown.
_FURTHEST = dt.timedelta(days=2 * max(DAYS, 31) + 1)

Amounts = Mapping[dt.datetime, Decimal]


@dataclass(frozen=True)
class Bar:
    """One hour or day; `before` is what the one a span earlier came to."""

    begins: dt.datetime
    amount: Decimal
    before: Decimal
    is_open: bool


@dataclass(frozen=True)
class Span:
    """Hours or days, oldest first, and what they come to, beside as long a span before."""

    bars: list[Bar]
    amount: Decimal
    before: Decimal


@dataclass(frozen=True)
class Revenue:
    """What closed hours came to; `closed_until` is the end of the last of them."""

    closed_until: dt.datetime | None
    hours: Span
    days: Span
    today: Decimal
    month: Span


def read_amounts(*, now: dt.datetime) -> dict[dt.datetime, Decimal]:
    """Return what each closed hour came to, from as long ago as `revenue_of` looks."""
    since = hour_of(now) - _FURTHEST
    amounts = dict(HourSeal.objects.filter(hour_id__gte=since).order_by().values_list("hour_id", "amount"))
    if settings.CANARY_CUSTOMERS:
        bills = HourlyBill.objects.filter(
            customer__code__in=settings.CANARY_CUSTOMERS, sealed_in_id__gte=since
        ).order_by()
        for hour, canaries in bills.values_list("sealed_in_id").annotate(Sum("amount")):
            amounts[hour] -= canaries
    return amounts


def revenue_of(amounts: Amounts, *, now: dt.datetime) -> Revenue:
    """Return the revenue as of now.

    Unfinished spans are compared with the same span before up to the same instant, counted to the end of the
    last closed hour.
    """
    closed_until = max(amounts) + HOUR if amounts else None
    until = closed_until or hour_of(now)
    today = start_of_day(now.astimezone(DAY_ZONE).date(), DAY_ZONE)
    return Revenue(
        closed_until=closed_until,
        hours=_hours(amounts, until=until),
        days=_days(amounts, today=today, until=until),
        today=_sum(amounts, today, until),
        month=_month(amounts, today=today, until=until),
    )


def _hours(amounts: Amounts, *, until: dt.datetime) -> Span:
    back = HOURS * HOUR
    hours = [until - n * HOUR for n in range(HOURS, 0, -1)]
    nothing = Decimal(0)
    bars = [Bar(hour, amounts.get(hour, nothing), amounts.get(hour - back, nothing), False) for hour in hours]
    return _span(bars)


def _days(amounts: Amounts, *, today: dt.datetime, until: dt.datetime) -> Span:
    day, back = dt.timedelta(days=1), dt.timedelta(days=DAYS)
    bars = []
    for begins in (today - n * day for n in range(DAYS - 1, -1, -1)):
        end = min(begins + day, max(until, begins))
        bars.append(
            Bar(
                begins,
                _sum(amounts, begins, end),
                _sum(amounts, begins - back, end - back),
                is_open=end < begins + day,
            )
        )
    return _span(bars)


def _month(amounts: Amounts, *, today: dt.datetime, until: dt.datetime) -> Span:
    """Return this month so far, and the month before to the same instant or to its end."""
    first = today.astimezone(DAY_ZONE).date().replace(day=1)
    begins = start_of_day(first, DAY_ZONE)
    before = start_of_day((first - dt.timedelta(days=1)).replace(day=1), DAY_ZONE)
    same_instant = min(before + max(until - begins, dt.timedelta(0)), begins)
    return Span(bars=[], amount=_sum(amounts, begins, until), before=_sum(amounts, before, same_instant))


def _span(bars: list[Bar]) -> Span:
    amount, before = exact_sum(bar.amount for bar in bars), exact_sum(bar.before for bar in bars)
    return Span(bars=bars, amount=amount, before=before)


def _sum(amounts: Amounts, begins: dt.datetime, until: dt.datetime) -> Decimal:
    return exact_sum(_within(amounts, begins, until))


def _within(amounts: Amounts, begins: dt.datetime, until: dt.datetime) -> Iterable[Decimal]:
    hour = begins
    while hour < until:
        if hour in amounts:
            yield amounts[hour]
        hour += HOUR
