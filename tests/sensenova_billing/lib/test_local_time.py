"""Times as a local clock shows them: no two instants read the same."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensenova_billing.lib.local_time import HOUR, hour_text, instant_text, minute_text, start_of_day

# Set back by an hour, by half an hour, at midnight, off the full hour; and one that jumped a day.
ZONES = ["America/New_York", "Australia/Lord_Howe", "America/Havana", "Pacific/Chatham", "Pacific/Apia"]


def utc(year, month, day, hour=0, minute=0, second=0):
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "hour", "text"),
    [
        ("Asia/Shanghai", utc(2026, 11, 23, 2), "2026-11-23 10:00-11:00"),
        ("Asia/Shanghai", utc(2026, 11, 23, 15), "2026-11-23 23:00-00:00"),
        ("Asia/Kathmandu", utc(2026, 11, 23, 18), "2026-11-23 23:45-00:45"),
        # New York: back at 02:00 to 01:00; on at 02:00 to 03:00.
        ("America/New_York", utc(2026, 11, 1, 3), "2026-10-31 23:00-00:00"),
        ("America/New_York", utc(2026, 11, 1, 4), "2026-11-01 00:00 -04:00 to 01:00 -04:00"),
        ("America/New_York", utc(2026, 11, 1, 5), "2026-11-01 01:00 -04:00 to 01:00 -05:00"),
        ("America/New_York", utc(2026, 11, 1, 6), "2026-11-01 01:00 -05:00 to 02:00 -05:00"),
        ("America/New_York", utc(2026, 11, 1, 7), "2026-11-01 02:00-03:00"),
        ("America/New_York", utc(2026, 3, 8, 7), "2026-03-08 03:00-04:00"),
        ("America/New_York", utc(2026, 3, 8, 6), "2026-03-08 01:00 -05:00 to 03:00 -04:00"),
        # Lord Howe Island: by half an hour.
        ("Australia/Lord_Howe", utc(2026, 4, 4, 14), "2026-04-05 01:00 +11:00 to 01:30 +10:30"),
        ("Australia/Lord_Howe", utc(2026, 4, 4, 15), "2026-04-05 01:30 +10:30 to 02:30 +10:30"),
        ("Australia/Lord_Howe", utc(2026, 10, 3, 15), "2026-10-04 01:30 +10:30 to 03:00 +11:00"),
        # Beirut: at midnight, back into the day before.
        ("Asia/Beirut", utc(2026, 10, 24, 20), "2026-10-24 23:00 +03:00 to 23:00 +02:00"),
        ("Asia/Beirut", utc(2026, 10, 24, 21), "2026-10-24 23:00 +02:00 to 2026-10-25 00:00 +02:00"),
        ("Europe/London", utc(2026, 10, 25, 1), "2026-10-25 01:00 +00:00 to 02:00 +00:00"),
        # Samoa: there was no 30 December.
        ("Pacific/Apia", utc(2011, 12, 30, 9), "2011-12-29 23:00 -10:00 to 2011-12-31 00:00 +14:00"),
    ],
)
def test_an_hour_by_a_local_clock(zone, hour, text):
    assert hour_text(hour, ZoneInfo(zone)) == text


@pytest.mark.parametrize(
    ("zone", "instant", "text"),
    [
        ("America/New_York", utc(2026, 11, 1, 4, 59, 59), "2026-11-01 00:59:59"),
        ("America/New_York", utc(2026, 11, 1, 5, 30), "2026-11-01 01:30:00 -04:00"),
        ("America/New_York", utc(2026, 11, 1, 6, 30), "2026-11-01 01:30:00 -05:00"),
        ("America/New_York", utc(2026, 11, 1, 7), "2026-11-01 02:00:00"),
        ("America/New_York", utc(2026, 3, 8, 7), "2026-03-08 03:00:00"),
        ("Australia/Lord_Howe", utc(2026, 4, 4, 14, 45), "2026-04-05 01:45:00 +11:00"),
        ("Australia/Lord_Howe", utc(2026, 4, 4, 15, 15), "2026-04-05 01:45:00 +10:30"),
        ("Pacific/Chatham", utc(2026, 4, 4, 14), "2026-04-05 02:45:00 +12:45"),
        ("Europe/London", utc(2026, 10, 25, 1, 30), "2026-10-25 01:30:00 +00:00"),
        ("UTC", utc(2026, 10, 25, 1, 30), "2026-10-25 01:30:00"),
    ],
)
def test_an_instant_by_a_local_clock(zone, instant, text):
    assert instant_text(instant, ZoneInfo(zone)) == text


def test_a_price_begins_to_the_minute_with_the_offset_of_a_repeated_one():
    new_york = ZoneInfo("America/New_York")

    assert minute_text(utc(2026, 12, 1, 5), new_york) == "2026-12-01 00:00"
    assert minute_text(utc(2026, 12, 1, 5, 0, 1), new_york) == "2026-12-01 00:00:01"
    assert minute_text(utc(2026, 11, 1, 6, 30), new_york) == "2026-11-01 01:30 -05:00"


@pytest.mark.parametrize("zone", ZONES)
@given(hours=st.integers(0, 30 * 365 * 24), other=st.integers(1, 36))
def test_two_hours_and_two_instants_never_read_the_same(zone, hours, other):
    clock, first = ZoneInfo(zone), utc(2005, 1, 1) + hours * HOUR

    assert hour_text(first, clock) != hour_text(first + other * HOUR, clock)
    assert instant_text(first, clock) != instant_text(first + other * HOUR / 2, clock)


@pytest.mark.parametrize("zone", ZONES)
def test_every_hour_of_a_year_reads_otherwise(zone):
    clock, hours = ZoneInfo(zone), 366 * 24

    assert len({hour_text(utc(2026, 1, 1) + n * HOUR, clock) for n in range(hours)}) == hours


@pytest.mark.parametrize(
    ("zone", "day", "begin"),
    [
        ("Asia/Shanghai", dt.date(2026, 11, 1), utc(2026, 10, 31, 16)),
        ("America/Havana", dt.date(2026, 11, 1), utc(2026, 11, 1, 4)),  # midnight comes twice
        ("America/Havana", dt.date(2026, 3, 8), utc(2026, 3, 8, 5)),  # and is left out
    ],
)
def test_a_day_begins_at_its_first_instant(zone, day, begin):
    assert start_of_day(day, ZoneInfo(zone)) == begin
