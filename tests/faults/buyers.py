"""Owners who buy packages on the pages of the product, whatever breaks meanwhile, and note what they did.

The journal has one JSON object a line: `{"ordered": id, "customer": code, "product": name, "units": n or
null}` before an order leaves for the first time, and `{"bought": id, "number": number, "attempts": n}` for
every answer that led to the package, also when an order is sent once more. They have some of it renewed, and
some refunded: `{"refunding": number}` before the order leaves, `{"refunded": number}` once it is answered.
"""

import datetime as dt
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TextIO
from uuid import UUID

import httpx

from tests.faults.clock import FastClock
from tests.faults.driver import NeverAcknowledged, WrongAnswer

SECONDS_TO_ANSWER = 20
LONGEST_PAUSE = 1.0
RESENT = 0.2  # so many of the orders are sent once more
RENEWED, KEPT = 0.3, 0.5  # of the purchases the renewal is switched on, and off again
REFUNDED = 0.3  # so often is one of the last packages refunded
LAST = 6
MOST_UNITS = 3
MOST_DAYS = 3
# A package that would begin later, because another method is in force, is not bought yet.
MOST_TO_WAIT = dt.timedelta(hours=8)
# A customer prefers one prepaid method for so long, and then the other.
PREFERENCE = dt.timedelta(hours=36)
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
_PACKAGE = re.compile(r"/packages/([\w-]+)$")


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


class _Buyer:
    """The owner of one customer, at a browser."""

    def __init__(self, shop: Shop, book: OrderBook, *, customer: str, run: str) -> None:
        self._shop, self._book, self._customer = shop, book, customer
        self._random = Random(f"{run}/buyer/{customer}")
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{shop.port}", timeout=SECONDS_TO_ANSWER)
        self._attempts = 0
        self._bought: list[str] = []

    def buy(self, stopping: threading.Event) -> None:
        """Sign in, and buy now and then until stopped."""
        with self._client:
            self._sign_in()
            while not stopping.wait(self._random.uniform(0, LONGEST_PAUSE)):
                self._buy_one()
                if self._bought and self._random.random() < REFUNDED:
                    self._refund(self._random.choice(self._bought[-LAST:]))

    def _sign_in(self) -> None:
        """Sign in; after an answer that broke off the browser may be signed in, or have another token."""
        person = {"username": f"owner@{self._customer}.example", "password": self._shop.password}
        while (page := self._insist("GET", "/sign-in")).status_code != 302:
            answer = self._insist("POST", "/sign-in", data=_hidden(page.text) | person)
            # Django answers 400 where the database breaks off while it stores the session.
            if answer.status_code not in (302, 400, 403):
                raise WrongAnswer(
                    f"{self._customer} cannot sign in: {answer.status_code} {answer.text[:500]}"
                )

    def _buy_one(self) -> None:
        product = self._random.choice(self._preferred())
        path = f"/customers/{self._customer}/packages/buy/{self._shop.terms[product]}"
        units = self._random.randint(1, MOST_UNITS) if "TPM" in product else None
        days = self._random.randint(1, MOST_DAYS)
        choice = {"units": str(units), "periods": str(days)} if units else {}
        shown = self._insist("GET", path, params=choice)
        order = _hidden(shown.text)
        if shown.status_code != 200 or "begins_at" not in order:
            raise WrongAnswer(f"{path}: {shown.status_code} {shown.text[:500]}")
        if dt.datetime.fromisoformat(order["begins_at"]) > self._shop.clock.now() + MOST_TO_WAIT:
            return
        # Ours, so that a run can be repeated.
        order["order_id"] = str(UUID(int=self._random.getrandbits(128), version=4))
        self._book.note(ordered=order["order_id"], customer=self._customer, product=product, units=units)
        self._order(path, order)
        if self._random.random() < RESENT:
            self._order(path, order)
        if self._random.random() < RENEWED:
            self._renew(self._bought[-1], "on")
            if self._random.random() > KEPT:
                self._renew(self._bought[-1], "off")

    def _renew(self, number: str, renewal: str) -> None:
        """Switch the renewal of a package; it is refused where the package has ended meanwhile."""
        fields = _hidden(self._insist("GET", f"/packages/{number}").text) | {"renewal": renewal}
        answer = self._insist("POST", f"/packages/{number}/renewal", data=fields)
        # In a build that loses commits the package or the session may be gone; the checker finds that.
        if answer.status_code not in (302, 403, 404):
            raise WrongAnswer(f"{number}, renewal: {answer.status_code} {answer.text[:2000]}")

    def _refund(self, number: str) -> None:
        """Order a refund until it is answered, as the page shows it; it may be refused."""
        path = f"/packages/{number}/refund"
        order = _hidden(self._insist("GET", path).text)
        if "ends_at" not in order:
            return
        self._book.note(refunding=number)
        while (answer := self._insist("POST", path, data=order)).status_code == 409:
            order |= _hidden(answer.text)
        if answer.status_code == 302:
            self._book.note(refunded=number)
        elif answer.status_code not in (400, 403, 404):
            raise WrongAnswer(f"{path}: {answer.status_code} {answer.text[:2000]}")

    def _preferred(self) -> list[str]:
        """Return the products of the method that this customer prefers now; half of the customers each."""
        spans = (self._shop.clock.now() - self._shop.clock.origin) // PREFERENCE
        turn = spans + self._shop.customers.index(self._customer)
        return [product for product in self._shop.terms if ("TPM" in product) == bool(turn % 2)]

    def _order(self, path: str, order: dict[str, str]) -> None:
        """Send an order until it is bought; where the package would begin at another hour, take that."""
        attempts = 0
        while True:
            answer = self._insist("POST", path, data=order)
            attempts += self._attempts
            if answer.status_code == 302 and (found := _PACKAGE.search(answer.headers["Location"])):
                self._book.note(bought=order["order_id"], number=found[1], attempts=attempts)
                self._bought.append(found[1])
                return
            if answer.status_code != 409:
                raise WrongAnswer(f"{path}: {answer.status_code} {answer.text[:2000]}")
            order |= _hidden(answer.text)

    def _insist(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request until it is answered."""
        until = threading.Event()
        deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self._shop.patience)
        self._attempts = 0
        while dt.datetime.now(dt.UTC) < deadline:
            self._attempts += 1
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError:
                self._book.count("broken")
            else:
                self._book.count(str(answer.status_code))
                if answer.status_code not in (502, 503, 504):
                    return answer
            until.wait(self._random.uniform(0.05, 0.2))
        raise NeverAcknowledged(f"{method} {path} of {self._customer}, after {self._attempts} attempts")


def _hidden(page: str) -> dict[str, str]:
    return dict(_HIDDEN.findall(page))


@contextmanager
def buying(shop: Shop, *, run: str, journal: Path) -> Iterator[OrderBook]:
    """Let the owner of each customer buy packages until the block ends."""
    stopping = threading.Event()
    with journal.open("a") as file, ThreadPoolExecutor(len(shop.customers)) as threads:
        book = OrderBook(file)
        buyers = [_Buyer(shop, book, customer=customer, run=run) for customer in shop.customers]
        bought = [threads.submit(buyer.buy, stopping) for buyer in buyers]
        try:
            yield book
        finally:
            stopping.set()
            for one in bought:
                one.result()
