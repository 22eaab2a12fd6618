"""Spans of whole days of a customer's clock, and the hours, days or months in which they are shown."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from sensenova_billing.lib.local_time import start_of_day
from usage.models import HOUR

DAY = dt.timedelta(days=1)


class Width(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @property
    def most_days(self) -> int:
        """The longest span that is shown in such buckets."""
        return {Width.HOUR: 8, Width.DAY: 100, Width.MONTH: 3700}[self]


@dataclass(frozen=True)
class Span:
    """Whole days, both included, in buckets of a width."""

    first: dt.date
    last: dt.date
    width: Width
    zone: ZoneInfo

    @property
    def begins(self) -> dt.datetime:
        """The first instant."""
        return start_of_day(self.first, self.zone)

    @property
    def ends(self) -> dt.datetime:
        """The first instant after it."""
        return start_of_day(self.last + DAY, self.zone)

    def bucket_of(self, hour: dt.datetime) -> dt.datetime:
        """Return when the bucket of an hour begins."""
        if self.width is Width.HOUR:
            return hour
        day = hour.astimezone(self.zone).date()
        return start_of_day(day.replace(day=1) if self.width is Width.MONTH else day, self.zone)

    def buckets(self) -> list[dt.datetime]:
        """Return when each bucket begins, oldest first."""
        if self.width is Width.HOUR:
            first = self.begins.replace(minute=0)
            first += HOUR if first < self.begins else dt.timedelta(0)
            return [first + n * HOUR for n in range(-((first - self.ends) // HOUR))]
        days = [self.first + n * DAY for n in range((self.last - self.first).days + 1)]
        if self.width is Width.MONTH:
            days = sorted({day.replace(day=1) for day in days})
        return [start_of_day(day, self.zone) for day in days]


def width_for(first: dt.date, last: dt.date) -> Width:
    """Return the width in which a span is shown unless somebody asks for another."""
    days = (last - first).days + 1
    if days <= 2:
        return Width.HOUR
    return Width.DAY if days <= 62 else Width.MONTH
