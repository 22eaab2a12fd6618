"""The years in which prices, call specifications and package terms lie.

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
