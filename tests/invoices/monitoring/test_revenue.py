"""Revenue is what closed hours came to; unfinished spans are compared up to the same instant."""

import datetime as dt
from decimal import Decimal

from invoices.monitoring.hour_calendar import HourState, calendar_of
from invoices.monitoring.revenue import revenue_of
from usage.models import HOUR

# 12:30 in Shanghai; the hour before the running one is the last that is closed.
NOW = dt.datetime(2026, 3, 31, 4, 30, tzinfo=dt.UTC)
LAST = dt.datetime(2026, 3, 31, 3, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2026, 3, 30, 16, tzinfo=dt.UTC)


def amounts(*, days=70, amount=1):
    """So many days of hours that came to as much each, up to the last closed one."""
    return {LAST - n * HOUR: Decimal(amount) for n in range(days * 24)}


def test_today_so_far_is_what_closed_since_midnight_in_shanghai():
    assert revenue_of(amounts(), now=NOW).today == 12


def test_the_last_48_closed_hours_stand_beside_the_48_before():
    recent = {hour: Decimal(2) for hour in amounts(days=2)}

    hours = revenue_of(amounts() | recent, now=NOW).hours

    assert [hours.amount, hours.before] == [96, 48]
    assert {bar.amount for bar in hours.bars} == {Decimal(2)}
    assert {bar.before for bar in hours.bars} == {Decimal(1)}
    assert hours.bars[-1].begins == LAST


def test_the_unfinished_day_is_compared_up_to_the_same_hour():
    days = revenue_of(amounts(), now=NOW).days

    yesterday, today = days.bars[-2:]
    assert [yesterday.amount, yesterday.before, today.amount, today.before] == [24, 24, 12, 12]
    assert (yesterday.is_open, today.is_open) == (False, True)
    assert days.amount == days.before == 29 * 24 + 12


def test_the_month_is_compared_with_the_month_before_to_the_same_instant():
    early = dt.datetime(2026, 3, 10, 4, 30, tzinfo=dt.UTC)
    until = {hour: amount for hour, amount in amounts().items() if hour < early - HOUR}

    month = revenue_of(until, now=early).month

    assert month.amount == month.before


def test_a_longer_month_is_compared_with_the_whole_of_a_shorter_one():
    assert revenue_of(amounts(), now=NOW).month.before == 28 * 24


def test_before_the_first_closing_all_is_nothing():
    revenue = revenue_of({}, now=NOW)

    assert revenue.closed_until is None
    assert [revenue.today, revenue.month.amount, revenue.days.amount] == [0, 0, 0]


def test_amounts_are_exact():
    much, little = Decimal(10) ** 20, Decimal("0.00000000000001")

    today = revenue_of({LAST: much, LAST - HOUR: little}, now=NOW).today

    assert today == Decimal("100000000000000000000.00000000000001")


def states(rows):
    """How many hours are in each state."""
    cells = [cell.state for row in rows for cell in row.hours]
    return {state: cells.count(state) for state in {*cells}}


def test_the_calendar_tells_closed_open_running_and_parked_hours():
    closed = {hour for hour in amounts(days=2) if hour != LAST}

    rows = calendar_of(closed=closed, waiting={LAST - HOUR: 3}, next_hour=LAST, now=NOW)

    assert [len(row.hours) for row in rows] == [24] * 7
    assert states(rows) == {
        HourState.CLOSED: 46,
        HourState.PARKED: 1,
        HourState.OPEN: 1,
        HourState.RUNNING: 1,
        HourState.AHEAD: 11,
        HourState.UNUSED: 7 * 24 - 60,
    }
    assert rows[-1].hours[0].hour == MIDNIGHT


def test_before_the_first_record_no_hour_is_open():
    rows = calendar_of(closed=(), waiting={}, next_hour=None, now=NOW)

    assert states(rows) == {HourState.UNUSED: 6 * 24 + 12, HourState.RUNNING: 1, HourState.AHEAD: 11}
