"""Which usage records may be archived: whole days of UTC, of which everything is billed that needs them."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Min

from sensenova_billing.lib.database.statements import load_statement
from usage.archive.parquet import ArchiveError
from usage.billing_hours import last_closed_hour
from usage.distribution.cluster import is_distributed
from usage.models import HOUR, UsageArchive, UsageRecord

DAY = dt.timedelta(days=1)
_OBSTACLES = {
    1: "the hour %(hour)s UTC of a customer is parked",
    2: "the hour %(hour)s UTC is not summed up by metadata yet",
    3: "a reversal in the hour %(hour)s UTC is not billed and summed up yet",
}
_OPEN = "its hours are not all closed"
_ARCHIVED = "its hours are archived already"


@dataclass(frozen=True)
class Span:
    """A day of UTC with usage records."""

    from_hour: dt.datetime
    until_hour: dt.datetime

    def __str__(self) -> str:
        return f"{self.from_hour:%Y-%m-%d}"

    def records(self) -> int:
        """How many records the table has of it."""
        return UsageRecord.objects.filter(
            billing_hour__gte=self.from_hour, billing_hour__lt=self.until_hour
        ).count()


def require_one_server() -> None:
    """Raise ArchiveError where Citus distributes records: its workers cannot check what an archive holds."""
    if is_distributed():
        raise ArchiveError(
            "Usage records are distributed by Citus, and are archived and restored on one server only "
            "(docs/retention.md)."
        )


def spans_before(before: dt.datetime) -> Iterator[Span]:
    """Return the days before an instant of which the table has records, oldest first."""
    begin = dt.datetime.min.replace(tzinfo=dt.UTC)
    later = UsageRecord.objects.filter(billing_hour__lt=before)
    while first := later.filter(billing_hour__gte=begin).aggregate(first=Min("billing_hour"))["first"]:
        day = first.replace(hour=0)
        begin = day + DAY
        yield Span(day, min(begin, before))


def obstacle_of(span: Span) -> str | None:
    """Return why the records of this span are still needed where they are; None if they are not."""
    last = last_closed_hour()
    if last is None or span.until_hour > last + HOUR:
        return _OPEN
    if UsageArchive.objects.filter(
        from_hour__lt=span.until_hour, until_hour__gt=span.from_hour, restored_at__isnull=True
    ).exists():
        return _ARCHIVED
    with connection.cursor() as cursor:
        cursor.execute(
            _OBSTACLE, {"from_hour": span.from_hour, "until_hour": span.until_hour, "last_closed": last}
        )
        found = cursor.fetchone()
    if found is None:
        return None
    place, hour = found
    return _OBSTACLES[place] % {"hour": f"{hour:%Y-%m-%d %H:%M}"}


_OBSTACLE = load_statement("find_obstacle.sql", beside=__file__)
