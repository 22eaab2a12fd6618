"""A person at a browser, who goes on until each page answers, and the journal of what was ordered."""

import datetime as dt
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TextIO

import httpx

from tests.faults.clock import FastClock
from tests.faults.driver import NeverAcknowledged, WrongAnswer

SECONDS_TO_ANSWER = 20
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

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str) -> None:
        self.book, self.random = book, Random(f"{run}/{email}")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{shop.port}", timeout=SECONDS_TO_ANSWER)
        self.attempts = 0
        self._person = {"username": email, "password": shop.password}
        self._patience = dt.timedelta(seconds=shop.patience)

    def sign_in(self) -> None:
        """Sign in; after an answer that broke off the browser may be signed in, or have another token."""
        while (page := self.insist("GET", "/sign-in")).status_code != 302:
            answer = self.insist("POST", "/sign-in", data=hidden(page.text) | self._person)
            # Django answers 400 where the database breaks off while it stores the session.
            if answer.status_code not in (302, 400, 403):
                who = self._person["username"]
                raise WrongAnswer(f"{who} cannot sign in: {answer.status_code} {answer.text[:500]}")

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
        who = self._person["username"]
        raise NeverAcknowledged(f"{method} {path} of {who}, after {self.attempts} attempts")


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return dict(_HIDDEN.findall(page))
