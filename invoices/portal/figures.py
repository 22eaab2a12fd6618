"""The figures on top of the overview: this hour, today, this month, each beside the same span before.

A span before ends with the hour in which the same instant of it lies: whole hours are billed. The projection
adds to the month so far the mean of the last seven whole days (of fewer for a young customer), for each day
left.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.models import Customer
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import hour_of
from usage.models import HOUR

DAYS_OF_MEAN = 7
TOP_SERVICES = 5
DAY = dt.timedelta(days=1)


class Spent(NamedTuple):
    """One service's part of an hour, day or month, closed or open."""

    span: str
    begins: dt.datetime
    service_id: int
    service: str
    is_free_trial: bool
    amount: Decimal


@dataclass(frozen=True)
class Figure:
    """What a span comes to so far, and the one before up to `until`."""

    amount: Decimal
    before: Decimal
    until: dt.datetime

    @property
    def percent(self) -> int | None:
        """By how much it is more than the one before, or less; None where there is nothing to compare."""
        if self.before <= 0:
            return None
        with localcontext(prec=60):
            return int(((self.amount - self.before) * 100 / self.before).to_integral_value())


@dataclass(frozen=True)
class Projection:
    """What the month may come to: so far, and for the days left the mean of some last whole days."""

    amount: Decimal
    mean: Decimal
    days: int


class ServiceAmount(NamedTuple):
    """A service of the month and its part of the total."""

    service_id: int
    service: str
    is_free_trial: bool
    amount: Decimal
    percent: int


@dataclass(frozen=True)
class Figures:
    """The figures of an overview."""

    hour: Figure
    today: Figure
    month: Figure
    projection: Projection | None
    top: list[ServiceAmount]


def figures_of(*, spent: Sequence[Spent], customer: Customer, now: dt.datetime) -> Figures:
    """Return the figures as of now."""
    zone = ZoneInfo(customer.time_zone)
    today = now.astimezone(zone).date()
    this_hour, day, yesterday = hour_of(now), start_of_day(today, zone), start_of_day(today - DAY, zone)
    month = start_of_day(today.replace(day=1), zone)
    month_before = start_of_day((today.replace(day=1) - DAY).replace(day=1), zone)
    last_hour_before = min(hour_of(month_before + (now - month)), month - HOUR)
    in_hours = [part for part in spent if part.span == "hour"]
    of_month = [part for part in spent if part.span == "month" and part.begins == month]
    same_hour = this_hour - DAY
    so_far = _sum(of_month)
    return Figures(
        hour=Figure(
            _sum(part for part in in_hours if part.begins == this_hour),
            _sum(part for part in in_hours if part.begins == same_hour),
            same_hour + HOUR,
        ),
        today=Figure(
            _sum(part for part in in_hours if part.begins >= day),
            _sum(part for part in in_hours if yesterday <= part.begins <= same_hour),
            same_hour + HOUR,
        ),
        month=Figure(
            so_far, _sum(part for part in spent if part.span == "month before"), last_hour_before + HOUR
        ),
        projection=_projection(spent, so_far=so_far, today=today, zone=zone, now=now),
        top=_top(of_month),
    )


def _projection(
    spent: Sequence[Spent], *, so_far: Decimal, today: dt.date, zone: ZoneInfo, now: dt.datetime
) -> Projection | None:
    by_day = [part for part in spent if part.span == "day" and part.begins < start_of_day(today, zone)]
    if not by_day:
        return None
    first = min(part.begins for part in by_day).astimezone(zone).date()
    days = min(DAYS_OF_MEAN, (today - first).days)
    since = start_of_day(today - days * DAY, zone)
    next_month = start_of_day((today.replace(day=1) + 32 * DAY).replace(day=1), zone)
    left = Decimal((next_month - now) // dt.timedelta(seconds=1))
    with localcontext(prec=60):
        mean = _sum(part for part in by_day if part.begins >= since) / days
        amount = so_far + mean * left / (24 * 3600)
    return Projection(amount=amount, mean=mean, days=days)


def _top(of_month: Sequence[Spent]) -> list[ServiceAmount]:
    parts: dict[tuple[int, str], list[Spent]] = {}
    for part in of_month:
        parts.setdefault((part.service_id, part.service), []).append(part)
    sums = {service: _sum(its) for service, its in parts.items()}
    total = _sum(of_month)
    dearest = sorted(parts, key=lambda service: (-sums[service], service[1]))[:TOP_SERVICES]
    return [
        ServiceAmount(
            *service,
            all(part.is_free_trial for part in parts[service]),
            sums[service],
            _percent(sums[service], total),
        )
        for service in dearest
    ]


def _percent(part: Decimal, total: Decimal) -> int:
    with localcontext(prec=60):
        return int((part * 100 / total).to_integral_value()) if total > 0 else 0


def _sum(parts: Iterable[Spent]) -> Decimal:
    return exact_sum(part.amount for part in parts)
