"""How long usage records stay in the database."""

import datetime as dt

from django.conf import settings

# What may still be reported, and the months that previews of prices look back on, stay.
FEWEST_MONTHS = 2


def month_of(text: str) -> dt.datetime:
    """Return the beginning of a month such as 2026-01, in UTC; or raise ValueError."""
    return dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC)


def latest_month(now: dt.datetime, *, months: int = FEWEST_MONTHS) -> dt.datetime:
    """Return the beginning of the earliest month that stays if so many whole months do."""
    number = now.astimezone(dt.UTC).year * 12 + now.astimezone(dt.UTC).month - 1 - months
    return dt.datetime(number // 12, number % 12 + 1, 1, tzinfo=dt.UTC)


def due_month(now: dt.datetime) -> dt.datetime | None:
    """Return before which month records are archived by the setting; None where they stay for ever."""
    months = settings.USAGE_RETENTION_MONTHS
    return latest_month(now, months=max(months, FEWEST_MONTHS)) if months else None
