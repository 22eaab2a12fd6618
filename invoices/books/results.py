"""Stored results of verifying the books, on demand and each night for the last day."""

import datetime as dt

from django.db.models import Max, Min

from invoices.books.verify import CHINA, Verified, verify_books
from invoices.models import Verification
from usage.models import HOUR, BillingHour


def store_verification(*, verified: Verified, now: dt.datetime) -> Verification | None:
    """Keep the result for ever; None where no hour was verified, for there is no result then."""
    if verified.from_hour is None or verified.until_hour is None:
        return None
    return Verification.objects.create(
        verified_at=now,
        from_hour=verified.from_hour,
        until_hour=verified.until_hour,
        took=verified.took,
        hours=verified.hours,
        records=verified.records,
        bills=verified.bills,
        lines=verified.lines,
        findings=verified.findings.count,
        first_findings=[found.as_json() for found in verified.findings.first],
        seal=verified.seal,
    )


def verify_last_day(*, now: dt.datetime) -> Verification | None:
    """Verify the day that ended last and what no verification has reached since, and store the result.

    None where that was done already or where nothing of it is closed. Two at once store it twice, which
    harms nobody: a result is only ever added.
    """
    until_hour = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC)
    from_hour = until_hour - dt.timedelta(days=1)
    latest = Verification.objects.aggregate(until=Max("until_hour"))["until"] or from_hour
    closed = BillingHour.objects.filter(hour__gte=min(from_hour, latest), hour__lt=until_hour)
    span = closed.aggregate(first=Min("hour"), last=Max("hour"))
    if span["first"] is None:
        return None
    from_hour, until_hour = span["first"], span["last"] + HOUR
    if Verification.objects.filter(from_hour__lte=from_hour, until_hour__gte=until_hour).exists():
        return None
    verified = verify_books(from_hour=from_hour, until_hour=until_hour)
    return store_verification(verified=verified, now=now)
