"""Staff with credits and charges by hand, each deciding what the other proposes, whatever breaks meanwhile.

The journal is that of cashiers, with `{"adjusting": key, "customer": code, "kind": kind, "amount": text,
"by": address}` before a proposal leaves for the first time and `{"adjusted": key}` or `{"not_adjusted":
key}` for every answer, `{"deciding": key, "decision": name, "by": address}` before a decision leaves and
`{"decided": key}` once it is answered. That a proposer tries to approve its own proposal is not noted:
nothing may come of it.
"""

from typing import NamedTuple

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor, hidden

MOST_FEN = 12_000
RESENT = 0.3  # so many of the forms are sent once more
DECIDED = 0.5  # so often one that waits is decided before another is proposed
BEYOND_CHARGES = 0.5  # so many may be more than was charged
WITHDRAWN = 0.3  # of one's own
_ADD = "/admin/invoices/adjustment/add/"


class Waiting(NamedTuple):
    """A proposal that waits for a second person."""

    path: str
    key: str
    by: str


class Adjuster(Visitor):
    """A person of staff, at the form of credits and charges by hand."""

    longest_pause = 0.6

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str, waiting: list[Waiting]) -> None:
        super().__init__(shop, book, email=email, run=run)
        self._customers, self._waiting = shop.customers, waiting

    def act(self) -> None:
        """Decide what waits, or propose a credit or charge, now and then twice."""
        with self.book.lock:
            decides = bool(self._waiting) and self.random.random() < DECIDED
            one = self._waiting.pop(self.random.randrange(len(self._waiting))) if decides else None
        if one is None:
            self._propose()
        elif one.by == self.email:
            self._decide_own(one)
        else:
            self._decide(one, self.random.choice(("approved", "approved", "refused")))

    def _propose(self) -> None:
        form = {
            "customer": self.random.choice(self._customers),
            "kind": self.random.choice(("credit", "charge")),
            "cause": self.random.choice(("goodwill", "service_level", "other")),
            "amount": self.amount(most_fen=MOST_FEN),
            "reason": "Agreed.",
            "key": self.key(),
        }
        if self.random.random() < BEYOND_CHARGES:
            form["is_beyond_charges"] = "on"
        noted = {name: form[name] for name in ("customer", "kind", "amount")}
        self.book.note(adjusting=form["key"], by=self.email, **noted)
        paths = {self._send(form) for _ in range(2 if self.random.random() < RESENT else 1)} - {""}
        with self.book.lock:
            self._waiting += [Waiting(path, form["key"], self.email) for path in paths]

    def _send(self, form: dict[str, str]) -> str:
        """Propose what the preview shows; return the page of it, nothing if it is refused."""
        answer = self.send_form(_ADD, form)
        if answer.status_code == 200 and "seen" in (shown := hidden(answer.text)):
            answer = self.send_form(_ADD, form | {"seen": shown["seen"]})
        location: str = answer.headers.get("Location", "")
        if "/adjustment/" in location:
            self.book.note(adjusted=form["key"])
            return location
        if answer.status_code == 400 and "Nothing was booked." in answer.text:
            self.book.note(not_adjusted=form["key"])
            return ""
        raise WrongAnswer(f"{_ADD}: {answer.status_code} {answer.text[:2000]}")

    def _decide_own(self, one: Waiting) -> None:
        """Withdraw it, or try to approve it and leave it to the other."""
        if self.random.random() < WITHDRAWN:
            self._decide(one, "withdrawn")
            return
        self.send_form(one.path, {"decision": "approved"})
        with self.book.lock:
            self._waiting.append(one)

    def _decide(self, one: Waiting, decision: str) -> None:
        self.book.note(deciding=one.key, decision=decision, by=self.email)
        for _ in range(2 if self.random.random() < RESENT else 1):
            answer = self.send_form(one.path, {"decision": decision})
            # In a build that loses commits the proposal may be gone; the checker finds that.
            if answer.status_code not in (302, 403):
                raise WrongAnswer(f"{one.path}: {answer.status_code} {answer.text[:2000]}")
        self.book.note(decided=one.key)
