"""Reporters that are slow to commit: each stores a record of an hour and commits when the hour is over.

They talk to the database directly, with the function that every report goes through, and keep the same
journal as all senders.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random

import psycopg

from tests.faults.clock import HOUR, FastClock
from tests.faults.driver import PAUSE, Driver, NeverAcknowledged, Post, Record, next_record

BEFORE_THE_END = (0.02, 0.4)  # seconds before the hour's end in which such a transaction begins
SECONDS_BEYOND = (0.3, 1.5)  # how long it goes on
# Of the hours, so that closing is not always behind.
OFTEN = 0.5
# Who ends sessions at random spares these, or it would hit little else.
SPARED = "spared"
SPARED_OFTEN = 0.75


class SlowReporter:
    """One thread's worth of slow transactions; `over_the_end` counts those that lasted over an hour's end."""

    def __init__(self, driver: Driver, *, url: str, clock: FastClock, name: str) -> None:
        self._driver, self._url, self._clock, self._name = driver, url, clock, name
        self._random = Random(name)
        self.over_the_end = 0

    def report(self, stopping: threading.Event) -> None:
        """Hold up the end of every other hour until stopped."""
        number = 0
        while not stopping.is_set():
            end = self._clock.hour() + HOUR
            self._clock.wait_until(end, sooner=self._random.uniform(*BEFORE_THE_END))
            if self._random.random() < OFTEN and self._clock.now() < end:
                self._insist(f"{self._name}/{number}")
                number += 1
                self.over_the_end += self._clock.now() >= end
            self._clock.wait_until(end)

    def _insist(self, name: str) -> None:
        customer, event_id, service, _, *quantities = next_record(
            self._driver.target, f"{name}/0", self._random
        )
        instant = self._clock.now().isoformat(timespec="microseconds")
        record: Record = (customer, event_id, service, instant, *quantities)  # type: ignore[assignment]
        post = Post(name, [record], b"")
        self._driver.note_sent(post)
        deadline = time.monotonic() + self._driver.target.patience
        seconds, attempts = self._random.uniform(*SECONDS_BEYOND), 1
        while (stored := self._try(record, seconds=seconds)) is None:
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"{name}, after {attempts} attempts")
            time.sleep(PAUSE)
            attempts, seconds = attempts + 1, 0
        receipt = {"accepted": stored, "duplicates": 1 - stored}
        self._driver.note_acknowledged(post, attempts=attempts, receipt=receipt)

    def _try(self, record: Record, *, seconds: float) -> int | None:
        """Store the record and return whether it was new, or None if that is unknown."""
        spared = SPARED if self._random.random() < SPARED_OFTEN else "slow"
        try:
            with psycopg.connect(self._url, application_name=spared, connect_timeout=5) as connection:
                stored = connection.execute(_STORE, record).rowcount
                time.sleep(seconds)
        except psycopg.OperationalError:
            return None
        return stored


_STORE = """
INSERT INTO usage_usagerecord
       (customer_id, event_id, service_id, occurred_at, billing_hour, received_at,
        input_tokens, output_tokens, input_characters)
SELECT customer.id, sent.event_id, service.id, sent.instant, held.billing_hour, sent.instant,
       sent.input_tokens, sent.output_tokens, sent.input_characters
  FROM (VALUES (%s, %s, %s, %s::timestamptz, %s::bigint, %s::bigint, %s::bigint))
       AS sent (customer, event_id, service, instant, input_tokens, output_tokens, input_characters)
 CROSS JOIN LATERAL hold_hours_open(ARRAY[date_trunc('hour', sent.instant, 'UTC')]) AS held
  JOIN accounts_customer AS customer ON customer.code = sent.customer
  JOIN pricing_service AS service ON service.name = sent.service
    ON CONFLICT DO NOTHING
"""


@contextmanager
def reporting_slowly(
    driver: Driver, *, url: str, clock: FastClock, run: str, threads: int = 2
) -> Iterator[list[SlowReporter]]:
    """Let slow reporters hold up the ends of hours until the block ends."""
    reporters = [
        SlowReporter(driver, url=url, clock=clock, name=f"{run}/slow-{number}") for number in range(threads)
    ]
    stopping = threading.Event()
    with ThreadPoolExecutor(threads) as pool:
        reporting = [pool.submit(reporter.report, stopping) for reporter in reporters]
        try:
            yield reporters
        finally:
            stopping.set()
            for one in reporting:
                one.result()
