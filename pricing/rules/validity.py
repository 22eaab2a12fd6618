"""How long a quota package is valid: days or calendar months, in UTC."""

import calendar
import datetime as dt
from enum import StrEnum

DAY = dt.timedelta(days=1)
MOST_MONTHS = 120
MOST_DAYS = 3660


class ValidityUnit(StrEnum):
    """What a validity is counted in."""

    DAY = "day"
    MONTH = "month"

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """For a Django field."""
        return [(unit.value, f"{unit.value}s") for unit in cls]


def expiry_of(begins_at: dt.datetime, *, number: int, unit: ValidityUnit) -> dt.datetime:
    """Return the instant at which a package ends that begins at this one.

    A month ends at the same day and hour of the next month, or at its last day where there is no such day.
    """
    if unit == ValidityUnit.DAY:
        return begins_at + number * DAY
    years, month = divmod(begins_at.year * 12 + begins_at.month - 1 + number, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return begins_at.replace(year=years, month=month + 1, day=min(begins_at.day, last))


def validity_text(number: int, unit: ValidityUnit | str) -> str:
    """E.g. `1 month` or `30 days`."""
    return f"{number} {unit}{'' if number == 1 else 's'}"
