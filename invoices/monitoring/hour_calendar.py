"""The last seven days, hour by hour: closed, open or parked."""

import datetime as dt
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from invoices.closing.totals import DAY_ZONE
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import hour_of
from usage.models import HOUR

DAYS = 7


class HourState(StrEnum):
    """How an hour stands; the page shows a sign for each, not a colour alone."""

    CLOSED = "closed"
    PARKED = "parked"
    OPEN = "open"
    RUNNING = "running"
    UNUSED = "unused"
    AHEAD = "ahead"


@dataclass(frozen=True)
class HourCell:
    """An hour; `parked` is how many customers' hours wait in it."""

    hour: dt.datetime
    state: HourState
    parked: int = 0


@dataclass(frozen=True)
class DayRow:
    """A day of 24 hours."""

    day: dt.date
    hours: list[HourCell]


def calendar_of(
    *,
    closed: Container[dt.datetime],
    waiting: Mapping[dt.datetime, int],
    next_hour: dt.datetime | None,
    now: dt.datetime,
) -> list[DayRow]:
    """Return the last seven days, today last; `next_hour` is the oldest hour that is not closed, if any."""
    first = _first_hour(now)
    cells = [
        _cell(first + n * HOUR, closed=closed, waiting=waiting, next_hour=next_hour, now=now)
        for n in range(24 * DAYS)
    ]
    return [
        DayRow(cells[place].hour.astimezone(DAY_ZONE).date(), cells[place : place + 24])
        for place in range(0, len(cells), 24)
    ]


def _cell(
    hour: dt.datetime,
    *,
    closed: Container[dt.datetime],
    waiting: Mapping[dt.datetime, int],
    next_hour: dt.datetime | None,
    now: dt.datetime,
) -> HourCell:
    running = hour_of(now)
    if hour in waiting:
        return HourCell(hour, HourState.PARKED, waiting[hour])
    if hour in closed:
        return HourCell(hour, HourState.CLOSED)
    if hour >= running:
        return HourCell(hour, HourState.RUNNING if hour == running else HourState.AHEAD)
    is_open = next_hour is not None and hour >= next_hour
    return HourCell(hour, HourState.OPEN if is_open else HourState.UNUSED)


def _first_hour(now: dt.datetime) -> dt.datetime:
    today = now.astimezone(DAY_ZONE).date()
    return start_of_day(today - dt.timedelta(days=DAYS - 1), DAY_ZONE)
