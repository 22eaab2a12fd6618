"""The nemesis: breaks things in a seeded order, each while posts are under way, and counts what it broke."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

import psycopg

from tests.faults.driver import Driver
from tests.sensenova_billing.processes import ask, eventually

Strike = Callable[[Random], bool]  # tells whether there was something to strike

LONGEST_PAUSE = 0.5
# So many blows fall before the one before has been got over.
HASTY = 0.25
# So many of the sessions that are ended are in the middle of something, if any is.
BUSY = 0.7
SECONDS_TO_RECOVER = 30


class NothingToStrike(Exception):
    """A fault could not be brought about: what it strikes did not come back, or no posts were under way."""


def haunt(
    driver: Driver,
    *,
    strikes: Mapping[str, Strike],
    times: Mapping[str, int],
    random: Random,
    seconds: float | None = None,
) -> Counter[str]:
    """Strike each so many times, in a random order, and return how often each struck something.

    With `seconds` the blows are spread over this time; it takes longer where that is not enough.
    """
    order = [name for name, count in times.items() for _ in range(count)]
    random.shuffle(order)
    struck: Counter[str] = Counter()
    began = time.monotonic()
    for place, name in enumerate(order):
        enough = 0 if random.random() < HASTY else driver.acknowledged + 1
        pause = random.uniform(0, LONGEST_PAUSE)
        if seconds is not None:
            pause = began + (place + random.random()) * seconds / len(order) - time.monotonic()
        time.sleep(max(0, pause))  # the rhythm; what is waited for comes next
        blow = partial(_strike_during_posts, driver, enough=enough, strike=strikes[name], random=random)
        if not eventually(blow, seconds=SECONDS_TO_RECOVER):
            raise NothingToStrike(f"{name}, after {dict(struck)}")
        struck[name] += 1
    return struck


def _strike_during_posts(driver: Driver, *, enough: int, strike: Strike, random: Random) -> bool:
    return bool(driver.under_way) and driver.acknowledged >= enough and strike(random)


def killing(find: Callable[[], Sequence[int]]) -> Strike:
    """Return a strike that sends SIGKILL to one of the processes found."""

    def kill(random: Random) -> bool:
        found = sorted(find())
        if not found:
            return False
        try:
            os.kill(random.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    return kill


def ending_a_session(url: str) -> Strike:
    """Return a strike that has PostgreSQL end one of the sessions of a database."""

    def end(random: Random) -> bool:
        found = sessions(url, busy=random.random() < BUSY)
        return bool(found) and bool(ask(url, f"SELECT pg_terminate_backend({random.choice(found)})"))

    return end


def sessions(url: str, *, busy: bool = True) -> list[int]:
    """Return the processes of a database's busy sessions, of all if none is busy; none during an outage."""
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute(_SESSIONS).fetchall()
    except psycopg.OperationalError:
        return []
    return [number for number, is_busy in found if busy and is_busy] or [number for number, _ in found]


_SESSIONS = """
SELECT pid, state <> 'idle' AND query NOT LIKE '%pgmq.read%' FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
   AND application_name <> 'spared'
"""
