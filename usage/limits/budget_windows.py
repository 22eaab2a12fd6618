"""The windows of budgets: whole billing hours from the beginning of a day, week or month of the customer."""

import datetime as dt
from zoneinfo import ZoneInfo

from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import hour_of
from usage.models import HOUR, BudgetPeriod

Window = tuple[dt.datetime, dt.datetime]  # [begin, end)

# 32 days after the first of a month are in the next one.
_DAYS = {BudgetPeriod.DAY: 1, BudgetPeriod.WEEK: 7, BudgetPeriod.MONTH: 32}


def budget_window(*, period: str, time_zone: str, at: dt.datetime) -> Window:
    """Return the window of this instant's billing hour; weeks begin on Monday.

    An hour belongs to the day in which it begins, which matters where a zone is half an hour off.
    """
    hour = hour_of(at)
    if period == BudgetPeriod.HOUR:
        return hour, hour + HOUR
    zone = ZoneInfo(time_zone)
    day = hour.astimezone(zone).date()
    if period == BudgetPeriod.WEEK:
        day -= dt.timedelta(days=day.weekday())
    if period == BudgetPeriod.MONTH:
        day = day.replace(day=1)
    after = day + dt.timedelta(days=_DAYS[BudgetPeriod(period)])
    if period == BudgetPeriod.MONTH:
        after = after.replace(day=1)
    return _first_hour(day, zone), _first_hour(after, zone)


def _first_hour(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    start = start_of_day(day, zone)
    whole = hour_of(start)
    return whole if whole == start else whole + HOUR
