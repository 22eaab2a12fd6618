"""What the demo's customers use: made up, and the same at every call.

The calls of an hour depend on nothing but the hour, so two starts agree on every hour they share.
"""

import datetime as dt
import random
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from pricing.rules.measures import Measure
from usage.ingest.payload import UsageReport
from usage.models import HOUR

HOURS = 48
CLOCK = ZoneInfo("Asia/Shanghai")
MICROSECONDS = HOUR // dt.timedelta(microseconds=1)
MINUTE = MICROSECONDS // 60

# Calls in each hour of the day, in percent of the busiest hour, by the clock of Shanghai.
OFFICE = (4, 3, 2, 2, 2, 4, 10, 25, 55, 85, 100, 90, 55, 75, 95, 98, 90, 70, 45, 35, 30, 22, 14, 8)
BROADCAST = (20, 12, 6, 4, 10, 45, 90, 100, 85, 60, 50, 55, 70, 55, 45, 50, 65, 90, 95, 75, 55, 45, 35, 28)
EVENING = (60, 35, 18, 10, 6, 5, 8, 15, 20, 24, 28, 38, 50, 40, 34, 36, 42, 50, 62, 78, 92, 100, 96, 82)


@dataclass(frozen=True)
class Habit:
    """How often a customer calls a service, and what one call uses: from, to, and most often."""

    service: str
    share: int
    uses: dict[Measure, tuple[int, int, int]]


@dataclass(frozen=True)
class Burst:
    """Many calls of one habit within a minute, once a day in this hour of the day."""

    hour: int
    calls: int
    habit: Habit


@dataclass(frozen=True)
class DemoCustomer:
    """A customer of the demo, its owner and its viewer if any, and what it calls."""

    code: str
    name: str
    email: str
    busiest: int  # calls in its busiest hour
    day: tuple[int, ...]
    habits: tuple[Habit, ...]
    viewer: str = ""
    burst: Burst | None = None


IN, OUT, CHARACTERS = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.INPUT_CHARACTERS
CACHED = Measure.CACHED_INPUT_TOKENS  # less than any call's input

CAST = (
    DemoCustomer(
        "harbour-books",
        "Harbour Books",
        "mei@harbour-books.example",
        75,
        OFFICE,
        (
            Habit("SenseChat-5", 45, {IN: (80, 7500, 900), OUT: (10, 900, 220)}),
            Habit("SenseChat-Turbo", 35, {IN: (40, 2400, 300), OUT: (10, 500, 120)}),
            Habit("nova-embedding-stable", 20, {IN: (200, 8000, 3200)}),
        ),
        viewer="tao@harbour-books.example",
    ),
    DemoCustomer(
        "lantern-radio",
        "Lantern Radio",
        "ka-ho@lantern-radio.example",
        60,
        BROADCAST,
        (
            Habit("nova-tts-1", 40, {CHARACTERS: (20, 900, 180)}),
            Habit("SenseChat-5-Cantonese", 45, {IN: (60, 3000, 450), OUT: (20, 1200, 350)}),
            Habit("SenseChat-Vision", 15, {IN: (700, 3500, 1400), OUT: (20, 400, 110)}),
        ),
        # More than the 10,000 tokens a minute that it has bought (packages.py).
        burst=Burst(
            20, 12, Habit("SenseChat-5-Cantonese", 100, {IN: (900, 1500, 1200), OUT: (100, 500, 250)})
        ),
    ),
    DemoCustomer(
        "moonlit-games",
        "Moonlit Games",
        "jun@moonlit-games.example",
        90,
        EVENING,
        (
            Habit("SenseChat-Character-Pro", 50, {IN: (300, 6000, 1800), OUT: (20, 400, 120)}),
            Habit("SenseChat-Character", 40, {IN: (200, 4000, 1200), OUT: (20, 300, 90)}),
            Habit(
                "SenseChat-128K",
                10,
                {IN: (4000, 90_000, 16_000), CACHED: (0, 3900, 2500), OUT: (100, 2000, 500)},
            ),
        ),
    ),
)

# Has no usage of its own: a trace is replayed as its usage (README), and no hour of it is unusual.
NEWCOMER = DemoCustomer("tidal-research", "Tidal Research", "sofia@tidal-research.example", 0, (), ())


def demo_usage(*, hour: dt.datetime, now: dt.datetime) -> list[UsageReport]:
    """Return what all customers used from 48 hours before this hour until now, oldest first."""
    hours = [hour - back * HOUR for back in range(HOURS, -1, -1)]
    return [
        report
        for each in hours
        for customer in CAST
        for report in _calls(customer=customer, hour=each)
        if report.occurred_at <= now
    ]


def _calls(*, customer: DemoCustomer, hour: dt.datetime) -> list[UsageReport]:
    chance = random.Random(f"{customer.code} {hour:%Y%m%d%H}")
    # A night is quiet but never silent: each hour has a bill for every customer.
    busy = customer.busiest * customer.day[hour.astimezone(CLOCK).hour]
    count = max(1, busy * chance.randint(80, 120) // 10_000)
    instants = sorted(chance.randrange(MICROSECONDS) for _ in range(count))
    habits = chance.choices(customer.habits, [habit.share for habit in customer.habits], k=count)
    calls = [*zip(instants, habits, strict=True), *_burst(customer.burst, hour=hour, chance=chance)]
    return [
        UsageReport(
            event_id=f"demo-{hour:%Y%m%dT%HZ}-{number}",
            customer=customer.code,
            service=habit.service,
            occurred_at=hour + dt.timedelta(microseconds=instant),
            **_used(habit=habit, chance=chance),
        )
        for number, (instant, habit) in enumerate(sorted(calls, key=itemgetter(0)), start=1)
    ]


def _burst(burst: Burst | None, *, hour: dt.datetime, chance: random.Random) -> list[tuple[int, Habit]]:
    if burst is None or hour.astimezone(CLOCK).hour != burst.hour:
        return []
    minute = chance.randrange(60) * MINUTE
    return [(minute + chance.randrange(MINUTE), burst.habit) for _ in range(burst.calls)]


def _used(*, habit: Habit, chance: random.Random) -> dict[str, Any]:
    return {measure.value: round(chance.triangular(*spread)) for measure, spread in habit.uses.items()}
