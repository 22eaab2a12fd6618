"""Staff who book what comes in and goes out on the accounts of customers, whatever breaks meanwhile.

The journal has one JSON object a line: `{"booking": key, "customer": code, "kind": kind, "amount": text}`
before a form leaves for the first time, and `{"booked": key}` or `{"refused": key}` for every answer, also
where it is sent once more.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor, hidden

CASHIERS = 2
LONGEST_PAUSE = 0.4
RESENT = 0.2  # so many of the forms are sent once more
KINDS = {"payment": 5, "refund": 3, "write_off": 2}  # how often of ten
MOST_FEN = 20_000
_PATH = "/admin/invoices/accounttransaction/add/"


def email_of(number: int) -> str:
    """The address with which a cashier signs in."""
    return f"cashier-{number}@sensenova.example"


class _Cashier(Visitor):
    def __init__(self, shop: Shop, book: OrderBook, *, number: int, run: str) -> None:
        super().__init__(shop, book, email=email_of(number), run=run)
        self._customers = shop.customers

    def work(self, stopping: threading.Event) -> None:
        """Sign in, and book now and then until stopped."""
        with self.client:
            self.sign_in()
            while not stopping.wait(self.random.uniform(0, LONGEST_PAUSE)):
                self._book_one()

    def _book_one(self) -> None:
        (kind,) = self.random.choices([*KINDS], weights=[*KINDS.values()])
        form = {
            "customer": self.random.choice(self._customers),
            "kind": kind,
            "amount": f"{self.random.randint(1, MOST_FEN) / 100:.2f}",
            "value_date": "2026-12-01",
            "reference": "Fault harness",
            "reason": "" if kind == "payment" else "Agreed.",
            "key": str(UUID(int=self.random.getrandbits(128), version=4)),  # so that a run can be repeated
        }
        noted = {name: form[name] for name in ("customer", "kind", "amount")}
        self.book.note(booking=form["key"], **noted)
        for _ in range(2 if self.random.random() < RESENT else 1):
            self._send(form)

    def _send(self, form: dict[str, str]) -> None:
        while True:
            answer = self.insist("POST", _PATH, data=hidden(self.insist("GET", _PATH).text) | form)
            location = answer.headers.get("Location", "")
            if answer.status_code == 302 and "/accounttransaction/" in location and "next=" not in location:
                return self.book.note(booked=form["key"])
            if answer.status_code == 400 and "Nothing was booked." in answer.text:
                return self.book.note(refused=form["key"])
            # A build that loses commits loses sessions; Django answers 400 where storing one breaks off.
            if answer.status_code not in (302, 400, 403):
                raise WrongAnswer(f"{_PATH}: {answer.status_code} {answer.text[:2000]}")
            self.sign_in()


@contextmanager
def booking(shop: Shop, *, run: str, journal: Path) -> Iterator[OrderBook]:
    """Let the cashiers book until the block ends."""
    stopping = threading.Event()
    with journal.open("a") as file, ThreadPoolExecutor(CASHIERS) as threads:
        book = OrderBook(file)
        cashiers = [_Cashier(shop, book, number=number, run=run) for number in range(CASHIERS)]
        at_work = [threads.submit(cashier.work, stopping) for cashier in cashiers]
        try:
            yield book
        finally:
            stopping.set()
            for one in at_work:
                one.result()
