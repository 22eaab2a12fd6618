"""Staff who book what comes in and goes out on the accounts of customers, whatever breaks meanwhile.

All bookings share a journal. It has one JSON object a line: `{"booking": key, "customer": code, "kind":
kind, "amount": text}` before a form leaves for the first time, and `{"booked": key}` or `{"refused": key}`
for every answer, also where it is sent once more.
"""

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor

RESENT = 0.2  # so many of the forms are sent once more
KINDS = {"payment": 5, "refund": 3, "write_off": 2}  # how often of ten
MOST_FEN = 20_000
_PATH = "/admin/invoices/accounttransaction/add/"


class Cashier(Visitor):
    """A person of staff, at the form that books."""

    longest_pause = 0.4

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str) -> None:
        super().__init__(shop, book, email=email, run=run)
        self._customers = shop.customers

    def act(self) -> None:
        """Book a payment, a refund or a write-off, now and then twice."""
        (kind,) = self.random.choices([*KINDS], weights=[*KINDS.values()])
        form = {
            "customer": self.random.choice(self._customers),
            "kind": kind,
            "amount": self.amount(most_fen=MOST_FEN),
            "value_date": "2026-12-01",
            "reference": "Fault harness",
            "reason": "" if kind == "payment" else "Agreed.",
            "key": self.key(),
        }
        noted = {name: form[name] for name in ("customer", "kind", "amount")}
        self.book.note(booking=form["key"], **noted)
        for _ in range(2 if self.random.random() < RESENT else 1):
            self._send(form)

    def _send(self, form: dict[str, str]) -> None:
        answer = self.send_form(_PATH, form)
        if answer.status_code == 302 and "/accounttransaction/" in answer.headers["Location"]:
            self.book.note(booked=form["key"])
        elif answer.status_code == 400 and "Nothing was booked." in answer.text:
            self.book.note(refused=form["key"])
        else:
            raise WrongAnswer(f"{_PATH}: {answer.status_code} {answer.text[:2000]}")
