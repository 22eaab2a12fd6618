"""Senders that never give up: each posts usage, sends again what was not acknowledged, and notes what was.

The journal is on the disk before a sender goes on. It has one JSON object a line: `{"sent": name, "records":
[...]}` before a post leaves for the first time, each record as `[customer, event_id, service, occurred_at,
input_tokens, output_tokens, input_characters]`; and `{"acknowledged": name, "attempts": n, "accepted": n,
"duplicates": n}` for every 200, also when a post that was acknowledged is sent once more, as after a lost
reply. Of acknowledged records some are reversed: `{"reversing": event_id, "customer": code}` before the
request leaves, then the same with "reversed", or with "not_reversed" where the answer is a refusal.
"""

import datetime as dt
import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TextIO

SENDERS = 6
SIZES = (1, 1, 1, 50, 500)
SECONDS_TO_ANSWER = 20
SECONDS_TO_ACKNOWLEDGE = 60
# Sooner than Retry-After asks for, so that more posts meet a server that is just coming back.
PAUSE = 0.1
RESENT = 0.1  # so many of the acknowledged posts are sent once more
USAGE, REVERSALS = "/api/v1/usage", "/api/v1/reversals"

# Which measures are reported of a service, and up to which quantity.
TOKENS = {"input_tokens": 4000, "output_tokens": 900}
SERVICES = {"SenseChat-5": TOKENS}
MEASURES = ("input_tokens", "output_tokens", "input_characters")

# Customer, event id, service, instant, and the quantities in the order of MEASURES.
Record = tuple[str, str, str, str, int, int, int]


class WrongAnswer(Exception):
    """An answer that a fault of the server's surroundings must never cause."""


class NeverAcknowledged(Exception):
    """A post was sent again and again, and never acknowledged."""


@dataclass(frozen=True)
class Target:
    """Where usage is posted, and for whom."""

    port: int
    key: str
    customers: Sequence[str]
    services: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: SERVICES)
    sizes: Sequence[int] = SIZES
    # When a record's call took place.
    instant: Callable[[Random], dt.datetime] = lambda _: dt.datetime.now(dt.UTC)
    # The server's clock may be an hour behind: then it refuses what it takes for the future, for a while.
    may_be_behind: bool = False
    # After so many of the posts one of their records is reversed.
    reversed: float = 0
    patience: float = SECONDS_TO_ACKNOWLEDGE


@dataclass(frozen=True)
class Post:
    """A request's name in the journal, its records, and its bytes, the same at each attempt."""

    name: str
    records: Sequence[Record]
    body: bytes


class Driver:
    """The senders' common state: the journal and the counts."""

    def __init__(self, target: Target, journal: TextIO) -> None:
        self.target = target
        self.acknowledged = 0
        self.under_way = 0  # requests that wait for an answer at this moment
        self.answers: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._journal = journal

    def note_sent(self, post: Post) -> None:
        """Note a post that is about to leave for the first time."""
        with self._lock:
            self._write({"sent": post.name, "records": post.records})

    def note_acknowledged(self, post: Post, *, attempts: int, receipt: dict[str, int]) -> None:
        """Note that a post was answered with 200."""
        with self._lock:
            self._write({"acknowledged": post.name, "attempts": attempts, **receipt})
            self.acknowledged += 1

    def note(self, **entry: Any) -> None:
        """Note what becomes of a reversal."""
        with self._lock:
            self._write(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def count(self, answer: str) -> None:
        """Count an answer by its kind."""
        with self._lock:
            self.answers[answer] += 1

    @contextmanager
    def one_under_way(self) -> Iterator[None]:
        """Count a request that waits for its answer."""
        with self._lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1


@contextmanager
def driving(target: Target, *, run: str, journal: Path, senders: int = SENDERS) -> Iterator[Driver]:
    """Let senders post until the block ends and everything that they sent is acknowledged.

    `run` seeds them, and all their event ids begin with it.
    """
    with journal.open("a") as file, ThreadPoolExecutor(senders) as threads:
        driver = Driver(target, file)
        sending = [threads.submit(_Sender(driver, f"{run}/{number}").send) for number in range(senders)]
        try:
            yield driver
        finally:
            driver.stopping.set()
            for sender in sending:
                sender.result()  # what went wrong with a sender explains what went wrong with the block


class _Sender:
    def __init__(self, driver: Driver, name: str) -> None:
        self._driver = driver
        self._name = name
        self._random = Random(name)
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", driver.target.port, timeout=SECONDS_TO_ANSWER
        )
        self._acknowledged: list[Post] = []

    def send(self) -> None:
        while not self._driver.stopping.is_set():
            post = self._next_post()
            self._driver.note_sent(post)
            self._insist(post)
            self._acknowledged.append(post)
            if self._random.random() < RESENT:
                self._insist(self._random.choice(self._acknowledged))
            if self._random.random() < self._driver.target.reversed:
                self._reverse(self._random.choice(self._random.choice(self._acknowledged).records))
        self._connection.close()

    def _next_post(self) -> Post:
        name = f"{self._name}/{len(self._acknowledged)}"
        size = self._random.choice(self._driver.target.sizes)
        records = [next_record(self._driver.target, f"{name}/{n}", self._random) for n in range(size)]
        reports = [_report(record) for record in records]
        return Post(name, records, json.dumps(reports[0] if len(reports) == 1 else reports).encode())

    def _insist(self, post: Post) -> None:
        """Send until acknowledged."""
        deadline = time.monotonic() + self._driver.target.patience
        attempts = 1
        while (receipt := self._try(post)) is None:
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"{post.name}, after {attempts} attempts")
            time.sleep(PAUSE)
            attempts += 1
        self._driver.note_acknowledged(post, attempts=attempts, receipt=receipt)

    def _reverse(self, record: Record) -> None:
        """Have a record reversed, and insist on an answer."""
        customer, event_id = record[:2]
        self._driver.note(reversing=event_id, customer=customer)
        body = json.dumps({"customer": customer, "event_id": event_id, "reason": "A fault run."}).encode()
        deadline = time.monotonic() + self._driver.target.patience
        while (answer := self._send(REVERSALS, body)) is None:
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"the reversal of {event_id}")
            time.sleep(PAUSE)
        self._driver.note(**{"reversed" if answer[0] == 200 else "not_reversed": event_id}, customer=customer)

    def _try(self, post: Post) -> dict[str, int] | None:
        """Send once and return the receipt, or None where the post has to be sent again."""
        answer = self._send(USAGE, post.body)
        if answer is None:
            return None
        status, body = answer
        if status == 200:
            receipt: dict[str, int] = json.loads(body)
            return receipt
        if status == 422 and self._driver.target.may_be_behind and _is_only_early(body):
            return None
        raise WrongAnswer(f"{post.name}: {status} {body[:500]!r}")

    def _send(self, path: str, body: bytes) -> tuple[int, bytes] | None:
        """Send once and return the status and the answer; None where that says to send again."""
        try:
            with self._driver.one_under_way():
                status, headers, content = self._exchange(path, body)
        except (OSError, http.client.IncompleteRead):
            self._connection.close()
            self._driver.count("broken")
            return None
        self._driver.count(str(status))
        # 502 and 504 come of the proxy alone, where the web server ended before it answered.
        if status in (502, 503, 504) and headers["Retry-After"]:
            return None
        return status, content

    def _exchange(self, path: str, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {
            "Authorization": f"Bearer {self._driver.target.key}",
            "Content-Type": "application/json",
        }
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def next_record(target: Target, event_id: str, random: Random) -> Record:
    """Make up a call of one of the customers to one of the services."""
    service = random.choice(list(target.services))
    bounds = target.services[service]
    quantities = [random.randrange(bounds[measure]) if measure in bounds else 0 for measure in MEASURES]
    instant = target.instant(random).astimezone(dt.UTC).isoformat(timespec="microseconds")
    return random.choice(target.customers), event_id, service, instant, *quantities  # type: ignore[return-value]


def _report(record: Record) -> dict[str, Any]:
    customer, event_id, service, instant, *quantities = record
    named = {"customer": customer, "event_id": event_id, "service": service, "occurred_at": instant}
    return named | dict(zip(MEASURES, quantities, strict=True))


def _is_only_early(body: bytes) -> bool:
    details = json.loads(body)["error"]["details"]
    return bool(details) and all(
        detail["field"] == "occurred_at" and detail["reason"].endswith("ahead") for detail in details
    )
