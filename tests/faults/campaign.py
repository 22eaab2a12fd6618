"""One run: the product runs, a driver posts, a nemesis breaks things, and in the end all hours close."""

import datetime as dt
import json
import logging
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

import psycopg

from tests.faults import people
from tests.faults.adjusters import Adjuster, Waiting
from tests.faults.bells import losing_messages, ringing_too_often
from tests.faults.broken import SOUND, Build, break_down
from tests.faults.buyers import Buyer
from tests.faults.cashiers import Cashier
from tests.faults.clock import HOUR, FastClock
from tests.faults.driver import TOKENS, Target, driving
from tests.faults.importers import Importer
from tests.faults.nemesis import Strike, ending_a_session, haunt, killing
from tests.faults.payers import Payer
from tests.faults.product import BEATS, WEB_WORKERS, WORKERS, Product, looking_after
from tests.faults.slow import reporting_slowly
from tests.faults.visitor import OrderBook, Shop, Visitor, at_work
from tests.sensenova_billing.processes import ask, eventually, free_port

SPEED = 3600  # an hour passes in a second
CUSTOMERS = tuple(f"customer-{number}" for number in range(8))
SERVICES = {
    "SenseChat-5": TOKENS,
    "SenseChat-Turbo": TOKENS,
    "nova-embedding-stable": {"input_tokens": 5000},
    "nova-tts-1": {"input_characters": 300},
}
SIZES = (1, 1, 1, 1, 1, 20, 100)
SENDERS = 4
# How often in two minutes; a run of another length is as dense.
TIMES = {
    "session": 260,
    "web worker": 14,
    "web server": 4,
    "worker": 16,
    "beat": 12,
    "clock off": 6,
    "database": 6,
    "messages lost": 8,
    "repeated tasks": 10,
    "late tasks": 6,
}
TWO_MINUTES = 120
KILLS = ("session", "web worker", "web server", "worker", "beat", "clock off")
AT_LEAST = {"database": 2}
WEB = ("web worker", "web server", "clock off")
OFF = (-3600, 3600)  # seconds on the fast clock

# Of the records, and up to how long ago.
REVERSED = 0.1
LATE, LATEST = 0.15, dt.timedelta(hours=6)
ON_THE_EDGE = 0.15
TICK = dt.timedelta(microseconds=1)

# In which the customers' months end, and how long before that the clock starts.
ZONE = ZoneInfo("Asia/Shanghai")
BEFORE_THE_MONTH_ENDS = 30 * HOUR

SECONDS_TO_START = 60
SECONDS_TO_ACKNOWLEDGE = 180
SECONDS_TO_CATCH_UP = 90

Findings = TypeVar("Findings")


@dataclass(frozen=True)
class CampaignOptions:
    """The options of one run."""

    seconds: int
    seed: int
    build: Build = SOUND

    @property
    def times(self) -> dict[str, int]:
        """How often each fault is to be brought about."""
        scaled = {
            name: max(AT_LEAST.get(name, 1), round(times * self.seconds / TWO_MINUTES))
            for name, times in TIMES.items()
        }
        spared = WEB if self.build.spares_web else ()
        return {name: times for name, times in scaled.items() if name not in spared}


@dataclass(frozen=True)
class Outcome:
    """What happened, and where to look at what came of it."""

    url: str
    run: str
    journal: Path
    orders: Path  # the journal of the buyers
    bookings: Path  # that of bookings on accounts
    clock: FastClock
    struck: Mapping[str, int]
    answers: Mapping[str, int]
    answers_to_buyers: Mapping[str, int]
    answers_to_bookers: Mapping[str, int]
    restarts: Mapping[str, int]
    seconds: float  # that the faults took
    seconds_to_catch_up: float | None  # None where the product did not, by itself
    unverified: str  # what `verify_books` finds


def go_through(
    options: CampaignOptions, directory: Path, *, judge: Callable[[Outcome], Findings]
) -> Findings:
    """Run the product in this thread and everything that happens to it in another; return the judgement."""
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # an outage of the database is expected here
    product = Product(
        directory,
        _clock_before_a_month_ends(),
        free_port(),
        closers=options.build.closers,
        web=options.build.web,
        offsets=dict(options.build.offsets),
    )
    os.environ.update(product.environment())  # for our own Celery, which talks to the same broker
    aside = ThreadPoolExecutor(1)
    try:
        product.prepare()
        product.clock = _clock_before_a_month_ends()  # as late as can be
        product.start()
        key = product.manage("set_stage", *CUSTOMERS).strip()
        happening = aside.submit(_happen, options, product, key, _open_shop(product))
        looking_after(product, until=happening.done)
        judging = aside.submit(judge, happening.result())
        looking_after(product, until=judging.done)
        return judging.result()
    except (KeyboardInterrupt, SystemExit):
        product.stop()
        sys.stderr.write(f"Stopped; what there was is in {directory}.\n")
        os._exit(1)  # without waiting for threads that would never get their answers
    finally:
        product.stop()


def _clock_before_a_month_ends() -> FastClock:
    """Return a clock that shows some hours before the customers' month ends: its statement comes in the run.

    It shows its origin when it is that time, so the little that the origin lies back is multiplied.
    """
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    next_month = (now.astimezone(ZONE).replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    ends = next_month.replace(hour=0, minute=0, second=0)
    return FastClock(origin=now - (ends - BEFORE_THE_MONTH_ENDS - now) / (SPEED - 1), speed=SPEED)


def _open_shop(product: Product) -> Shop:
    password = secrets.token_hex()
    return Shop(
        port=product.port,
        password=password,
        customers=CUSTOMERS,
        terms=json.loads(product.manage("sell_packages", password, *CUSTOMERS)),
        clock=product.clock,
        patience=SECONDS_TO_ACKNOWLEDGE,
    )


def _buyers(shop: Shop, run: str, book: OrderBook) -> Sequence[Visitor]:
    return [Buyer(shop, book, customer=customer, run=run) for customer in shop.customers]


def _bookers(shop: Shop, run: str, book: OrderBook) -> Sequence[Visitor]:
    waiting: list[Waiting] = []
    return [
        *(Cashier(shop, book, email=email, run=run) for email in people.CASHIERS),
        *(Payer(shop, book, email=email, run=run) for email in people.FINANCE),
        *(Importer(shop, book, email=email, run=run) for email in people.IMPORTERS),
        *(Adjuster(shop, book, email=email, run=run, waiting=waiting) for email in people.ADJUSTERS),
    ]


def _happen(options: CampaignOptions, product: Product, key: str, shop: Shop) -> Outcome:
    run, journal = f"fault-{options.seed}", product.directory / "journal"
    orders, bookings = product.directory / "orders", product.directory / "bookings"
    target = Target(
        port=product.port,
        key=key,
        customers=CUSTOMERS,
        services=SERVICES,
        sizes=SIZES,
        instant=partial(_instant, product.clock),
        may_be_behind=True,
        reversed=REVERSED,
        patience=SECONDS_TO_ACKNOWLEDGE,
    )
    _wait_until_it_works(product)
    break_down(product.url, options.build)
    began = time.monotonic()
    with (
        driving(target, run=run, journal=journal, senders=SENDERS) as driver,
        reporting_slowly(driver, url=product.url, clock=product.clock, run=run) as slow,
        at_work(partial(_buyers, shop, run), journal=orders) as order_book,
        at_work(partial(_bookers, shop, run), journal=bookings) as cash_book,
    ):
        struck = haunt(
            driver,
            strikes=_strikes(product),
            times=options.times,
            random=Random(options.seed),
            seconds=options.seconds,
        )
    seconds = time.monotonic() - began
    struck["slow transaction"] = sum(reporter.over_the_end for reporter in slow)
    return Outcome(
        url=product.url,
        run=run,
        journal=journal,
        orders=orders,
        bookings=bookings,
        clock=product.clock,
        struck=struck,
        answers=dict(driver.answers),
        answers_to_buyers=dict(order_book.answers),
        answers_to_bookers=dict(cash_book.answers),
        restarts=dict(product.restarts),
        seconds=seconds,
        seconds_to_catch_up=_catch_up(product),
        unverified=product.unverified(),
    )


def _wait_until_it_works(product: Product) -> None:
    """Wait until the web server's processes serve and a worker takes tasks."""
    web = product.directory / "log" / "web.log"
    if not eventually(
        lambda: web.read_text().count("Started worker") >= WEB_WORKERS, seconds=SECONDS_TO_START
    ):
        raise TimeoutError("The web server did not start.")
    if not eventually(lambda: _takes_tasks(product), seconds=SECONDS_TO_START):
        raise TimeoutError("No worker started.")


def _takes_tasks(product: Product) -> bool:
    logs = [product.directory / "log" / f"{name}.log" for name in WORKERS]
    return any(" ready." in log.read_text() for log in logs)


def _strikes(product: Product) -> dict[str, Strike]:
    return {
        "session": ending_a_session(product.url),
        "web worker": killing(partial(product.followers, "web")),
        "web server": killing(partial(product.leaders, "web")),
        "worker": killing(partial(product.family, *WORKERS)),
        "beat": killing(partial(product.leaders, *BEATS)),
        "clock off": _putting_a_clock_off(product),
        "database": killing(partial(product.leaders, "postgresql")),
        "messages lost": losing_messages(),
        "repeated tasks": ringing_too_often(late=False),
        "late tasks": ringing_too_often(late=True),
    }


def _putting_a_clock_off(product: Product) -> Strike:
    waiting: list[tuple[str, int]] = []  # each kind of process, ahead and behind, before any comes again

    def put_off(random: Random) -> bool:
        if not waiting:
            names = ("web", random.choice(WORKERS), random.choice(BEATS))
            waiting.extend((name, seconds) for name in names for seconds in OFF)
            random.shuffle(waiting)
        name, seconds = waiting[-1]
        done = product.put_clock_off(name, seconds=seconds)
        if done:
            waiting.pop()
        return done

    return put_off


def _instant(clock: FastClock, random: Random) -> dt.datetime:
    """Return when a call took place: now, some hours ago, or in the last or first instant of an hour."""
    chance = random.random()
    if chance < LATE:
        return clock.now() - random.random() * LATEST
    if chance < LATE + ON_THE_EDGE:
        return clock.hour() - random.choice((0, 1)) * TICK
    return clock.now()


def _catch_up(product: Product) -> float | None:
    """Return after how many seconds the product had closed the hour of the last record, and renewed packages.

    Where it does not by itself, the hours are closed by hand for the checker's sake, and None is returned.
    """
    last, began = product.clock.hour(), time.monotonic()
    if eventually(lambda: _has_closed(product.url, last), seconds=SECONDS_TO_CATCH_UP):
        return time.monotonic() - began
    product.clock.wait_until(last + HOUR)
    product.manage("close_hours")
    return None


def _has_closed(url: str, hour: dt.datetime) -> bool:
    try:
        last: dt.datetime | None = ask(url, _LAST_CLOSED)
    except psycopg.OperationalError:
        return False
    return last is not None and last >= hour


# None while a renewal is due.
_LAST_CLOSED = """
SELECT max(hour) FROM usage_billinghour
 WHERE NOT EXISTS (
       SELECT FROM invoices_packagerenewal AS renewal
         JOIN pricing_quotapackage AS package ON package.id = renewal.package_id
        WHERE is_on AND renewed_by_id IS NULL AND refused_at IS NULL AND ended_at IS NULL
          AND (expires_at <= (SELECT max(hour) FROM usage_billinghour)
               OR EXISTS (SELECT FROM invoices_packagedraw AS draw
                           WHERE draw.package_id = package.id AND NOT is_return
                             AND ("left" = 0 OR ran_out_at IS NOT NULL))))"""


def kills(struck: Mapping[str, int]) -> int:
    """Return how many of the faults ended a process or a session, the database's own crashes apart."""
    return Counter(struck).total() - sum(times for name, times in struck.items() if name not in KILLS)
