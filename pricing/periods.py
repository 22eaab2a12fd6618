"""The years in which prices and call specifications lie, and how their instants are written.

A clock of another zone has no date for instants near the years 1 and 9999, and a page that adds a few days
to an end has none either. 1970 is what people write for "always"; 9000 leaves room for both.
"""

import datetime as dt

FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
OUTSIDE = (
    "Prices and call specifications lie in the years 1970 to 8999 (UTC); "
    "leave the end empty where there is none."
)


def is_within(instant: dt.datetime) -> bool:
    """Whether a price or a call specification may begin or end at this instant."""
    return FIRST <= instant < END


def to_the_minute(instant: dt.datetime) -> str:
    """E.g. `2026-12-01 00:00`, by the instant's own clock; with seconds where it falls on no minute."""
    if instant.second or instant.microsecond:
        return f"{instant:%Y-%m-%d %H:%M:%S}"
    return f"{instant:%Y-%m-%d %H:%M}"
