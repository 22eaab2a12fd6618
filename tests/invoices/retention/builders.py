"""Archiving and restoring as tests do it."""

from pathlib import Path
from typing import Any

from django.conf import settings

from invoices.retention.archive import archive_span
from invoices.retention.restore import restore_archive
from invoices.retention.spans import Span
from invoices.usage_report.metadata import sum_up_closed_hours
from tests.builders import THE_HOUR, at, close, commit, customer, record, report
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, UsageArchive, UsageRecord

SPAN = Span(THE_HOUR, THE_HOUR + 2 * HOUR)


def keep_books_to_archive() -> None:
    """Close THE_HOUR with three calls, one with metadata, and the hour after it with one."""
    record(report("call-1"), report("call-2", metadata={"project": "blue"}), report(customer="globex"))
    close()
    record(report("call-3", occurred_at=at(70)), now=at(71))
    close_and_sum_up(hour=1)


def span(first: int, hours: int) -> Span:
    """So many hours, from one after THE_HOUR."""
    return Span(THE_HOUR + first * HOUR, THE_HOUR + (first + hours) * HOUR)


def archive(of: Span = SPAN) -> UsageArchive:
    """Archive these hours, by default THE_HOUR and the one after it."""
    made = archive_span(span=of, folder=Path(settings.USAGE_ARCHIVE_DIR), now=at(300))
    commit()
    return made


def restore(made: UsageArchive) -> None:
    """Restore it, and commit."""
    restore_archive(archive=made, now=at(310))
    commit()


def sum_up() -> None:
    """Sum up the closed hours by metadata."""
    sum_up_closed_hours(now=at(300))
    commit()


def reverse(event_id: str, *, hour: int = 2) -> UsageRecord:
    """Take a call of Acme's back, in an hour after the closed ones."""
    return reverse_record(
        customer=customer("acme"),
        event_id=event_id,
        reason="A test run.",
        by="operator",
        now=at(5, hour=hour),
    )


def close_and_sum_up(*, hour: int = 2) -> None:
    """Close one more hour."""
    close(hour=hour)
    sum_up()


def rows() -> list[dict[str, Any]]:
    """All records, with all columns."""
    return [dict(row) for row in UsageRecord.objects.order_by("customer_id", "event_id").values()]
