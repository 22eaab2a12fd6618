"""Spans of a customer's usage, and the hours, days or months in which they are shown."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import hour_of
from usage.models import HOUR

DAY = dt.timedelta(days=1)


class Width(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    SPAN = "span"  # all of it at once

    @property
    def most_days(self) -> int:
        """The longest span that is shown in such buckets."""
        return {Width.HOUR: 8, Width.DAY: 100, Width.MONTH: 3700, Width.SPAN: 3700}[self]


@dataclass(frozen=True)
class Span:
    """Hours that begin at an instant or later and before another, in buckets of a width."""

    begins: dt.datetime
    ends: dt.datetime
    width: Width
    zone: ZoneInfo

    @classmethod
    def of_days(cls, first: dt.date, last: dt.date, *, width: Width, zone: ZoneInfo) -> "Span":
        """Return whole days of a clock, both included."""
        return cls(start_of_day(first, zone), start_of_day(last + DAY, zone), width, zone)

    @property
    def first(self) -> dt.date:
        """The first day."""
        return self.begins.astimezone(self.zone).date()

    @property
    def last(self) -> dt.date:
        """The last day."""
        return (self.ends - dt.timedelta(microseconds=1)).astimezone(self.zone).date()

    def bucket_of(self, hour: dt.datetime) -> dt.datetime:
        """Return when the bucket of an hour begins."""
        if self.width is Width.HOUR:
            return hour_of(hour)
        if self.width is Width.SPAN:
            return self.begins
        day = hour.astimezone(self.zone).date()
        return start_of_day(day.replace(day=1) if self.width is Width.MONTH else day, self.zone)

    def after(self, bucket: dt.datetime) -> dt.datetime:
        """Return when the bucket after one begins."""
        if self.width is Width.HOUR:
            return bucket + HOUR
        if self.width is Width.SPAN:
            return self.ends
        day = bucket.astimezone(self.zone).date()
        following = (day + 31 * DAY).replace(day=1) if self.width is Width.MONTH else day + DAY
        return start_of_day(following, self.zone)

    def buckets(self) -> list[dt.datetime]:
        """Return when each bucket begins, oldest first."""
        bucket, found = self.bucket_of(self.begins), []
        if self.width is Width.HOUR and bucket < self.begins:
            bucket += HOUR  # that hour began before
        while bucket < self.ends:
            found.append(bucket)
            bucket = self.after(bucket)
        return found


def width_for(first: dt.date, last: dt.date) -> Width:
    """Return the width in which a span is shown unless somebody asks for another."""
    days = (last - first).days + 1
    if days <= 2:
        return Width.HOUR
    return Width.DAY if days <= 62 else Width.MONTH
