"""How an instant, an hour and the beginning of a day read by a local clock, wherever one is shown.

A clock that is set back shows some times twice. Such a time stands with its offset from UTC, so that two
instants never read the same: `2026-11-01 01:30:00 -04:00`.
"""

import datetime as dt
from functools import cache, lru_cache
from zoneinfo import available_timezones

HOUR = dt.timedelta(hours=1)


def instant_text(instant: dt.datetime, zone: dt.tzinfo, *, timespec: str = "seconds") -> str:
    """Return e.g. `2026-11-23 10:00:00`, with the offset where the clock shows this time twice.

    `timespec` is that of `datetime.isoformat`: minutes, seconds or microseconds.
    """
    local = instant.astimezone(zone)
    text = local.replace(tzinfo=None).isoformat(sep=" ", timespec=timespec)
    return f"{text} {_offset(local)}" if _is_repeated(local) else text


def utc_text(instant: dt.datetime, *, timespec: str = "auto") -> str:
    """Return an instant in UTC as APIs and files have it, e.g. `2026-11-23T02:00:00Z`."""
    return instant.astimezone(dt.UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def minute_text(instant: dt.datetime, zone: dt.tzinfo) -> str:
    """Return e.g. `2026-12-01 00:00`; with seconds where it falls on no minute."""
    is_whole = not (instant.second or instant.microsecond)
    return instant_text(instant, zone, timespec="minutes" if is_whole else "seconds")


def text_beside_utc(instant: dt.datetime, zone: dt.tzinfo) -> str:
    """Return e.g. `2026-12-01 00:00 Asia/Shanghai (2026-11-30 16:00 UTC)`; in UTC the latter alone."""
    utc = f"{minute_text(instant, dt.UTC)} UTC"
    return utc if str(zone) == "UTC" else f"{minute_text(instant, zone)} {zone} ({utc})"


@lru_cache(maxsize=10_000)
def hour_text(hour: dt.datetime, zone: dt.tzinfo) -> str:
    """Return e.g. `2026-11-23 10:00-11:00`, the hour that begins at this instant.

    With both offsets where the clock is set within the hour, or shows its beginning or end twice:
    `2026-11-01 01:00 -04:00 to 01:00 -05:00`.
    """
    begin, end = hour.astimezone(zone), (hour + HOUR).astimezone(zone)
    if begin.utcoffset() == end.utcoffset() and not (_is_repeated(begin) or _is_repeated(end)):
        return f"{begin:%Y-%m-%d %H:%M}-{end:%H:%M}"
    day = "" if begin.date() == end.date() else f"{end:%Y-%m-%d} "
    return f"{begin:%Y-%m-%d %H:%M} {_offset(begin)} to {day}{end:%H:%M} {_offset(end)}"


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones; Python reads hundreds of files for them each time."""
    return frozenset(available_timezones())


def start_of_day(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the first instant of a day, in UTC; without a midnight, that at which the clock is set."""
    # fold=0: the first of two midnights. In UTC, because Python takes none of them for equal to any instant.
    return dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def _is_repeated(local: dt.datetime) -> bool:
    # Either way it would be one instant, were the time not shown twice. It is no time that is left out:
    # those are never the local time of an instant.
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _offset(local: dt.datetime) -> str:
    offset = local.utcoffset() or dt.timedelta()
    return dt.time(tzinfo=dt.timezone(offset)).isoformat()[len("00:00:00") :]
