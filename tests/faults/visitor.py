"""A person at a browser, who goes on until each page answers, and the journal of what was ordered."""

import datetime as dt
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TextIO
from uuid import UUID

import httpx

from tests.faults.clock import FastClock
from tests.faults.driver import NeverAcknowledged, WrongAnswer

SECONDS_TO_ANSWER = 20
# A build that loses commits loses sessions, and what a page is of.
MOST_SIGN_INS = 3
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"[^>]*>')


@dataclass(frozen=True)
class Shop:
    """Where packages are bought, by whom, and the terms on sale by product."""

    port: int
    password: str
    customers: Sequence[str]
    terms: Mapping[str, int]
    clock: FastClock
    patience: float


@dataclass
class OrderBook:
    """The journal of all buyers, and what they met."""

    file: TextIO
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, **entry: Any) -> None:
        """Write an entry, on the disk before this returns."""
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    def count(self, answer: str) -> None:
        """Count an answer by its kind."""
        with self.lock:
            self.answers[answer] += 1


class Visitor:
    """A person who signs in and sends forms; `random` is the same in each run of a seed."""

    longest_pause: ClassVar[float] = 1.0

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str) -> None:
        self.book, self.random = book, Random(f"{run}/{email}")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{shop.port}", timeout=SECONDS_TO_ANSWER)
        self.attempts = 0
        self.email = email
        self._person = {"username": email, "password": shop.password}
        self._patience = dt.timedelta(seconds=shop.patience)

    def work(self, stopping: threading.Event) -> None:
        """Sign in, and act now and then until stopped."""
        with self.client:
            self.sign_in()
            while not stopping.wait(self.random.uniform(0, self.longest_pause)):
                self.act()

    def act(self) -> None:
        """Do one thing, and insist on the answers."""
        raise NotImplementedError

    def sign_in(self) -> None:
        """Sign in; after an answer that broke off the browser may be signed in, or have another token."""
        while (page := self.insist("GET", "/sign-in")).status_code != 302:
            answer = self.insist("POST", "/sign-in", data=hidden(page.text) | self._person)
            # Django answers 400 where the database breaks off while it stores the session.
            if answer.status_code not in (302, 400, 403):
                raise WrongAnswer(f"{self.email} cannot sign in: {answer.status_code} {answer.text[:500]}")

    def amount(self, *, most_fen: int) -> str:
        """Make up an amount in RMB."""
        fen = self.random.randint(1, most_fen)
        return f"{fen // 100}.{fen % 100:02}"

    def key(self) -> str:
        """Make up a key, the same in each run of a seed."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def send_form(self, path: str, form: Mapping[str, str], **more: Any) -> httpx.Response:
        """Send the form of a page until it is answered, after another sign-in where the session was lost."""
        for _ in range(MOST_SIGN_INS):
            fields = hidden(self.insist("GET", path).text) | dict(form)
            answer = self.insist("POST", path, data=fields, **more)
            if not is_signed_out(answer):
                break
            self.sign_in()
        return answer

    def insist(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request until it is answered."""
        until = threading.Event()
        deadline = dt.datetime.now(dt.UTC) + self._patience
        self.attempts = 0
        while dt.datetime.now(dt.UTC) < deadline:
            self.attempts += 1
            try:
                answer = self.client.request(method, path, **request)
            except httpx.TransportError:
                self.book.count("broken")
            else:
                self.book.count(str(answer.status_code))
                if answer.status_code not in (502, 503, 504):
                    return answer
            until.wait(self.random.uniform(0.05, 0.2))
        raise NeverAcknowledged(f"{method} {path} of {self.email}, after {self.attempts} attempts")


@contextmanager
def at_work(people: Callable[[OrderBook], Sequence[Visitor]], *, journal: Path) -> Iterator[OrderBook]:
    """Let people with one journal work, each in a thread, until the block ends."""
    stopping = threading.Event()
    with journal.open("a") as file:
        book = OrderBook(file)
        visitors = people(book)
        with ThreadPoolExecutor(len(visitors)) as threads:
            begun = [threads.submit(visitor.work, stopping) for visitor in visitors]
            try:
                yield book
            finally:
                stopping.set()
                for one in begun:
                    one.result()


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return dict(_HIDDEN.findall(page))


def is_signed_out(answer: httpx.Response) -> bool:
    """Whether an answer leads to the sign-in; Django answers 400 where storing a session breaks off."""
    if answer.status_code == 400:
        return "csrfmiddlewaretoken" not in answer.text
    return answer.status_code == 403 or "next=" in answer.headers.get("Location", "")
