"""Finance of customers, paying at the provider for development, and that provider's call-backs.

Each call-back is sent until it is answered, some twice at once or once more at the end, in any order, and
of some payments only after their page is over. The journal is that of cashiers, with `{"ordering": id,
"customer": code, "amount": text}` and `{"ordered": id}` of each order, `{"calling": id, "ends": name}`
before a call-back leaves for the first time, and `{"called": id, "ends": name}` once every copy of it is
answered. What has to be booked by them is noted as bookings, under the keys that call-backs have.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor

MOST_FEN = 30_000
RESENT = 0.2  # so many of the orders are sent once more
# How often each comes of a payment.
ENDS = {
    "paid": 0.75,
    "refunded": 0.3,
    "failed": 0.2,
    "expired": 0.2,
    "other": 0.15,
    "disputed": 0.2,
    "won": 0.1,
}
AT_ONCE, AGAIN = 0.5, 0.3  # so many call-backs are sent twice at once, and once more at the end
LATE = 0.15  # so often one comes of a payment of which none has come


class Order(NamedTuple):
    """A payment as it was ordered."""

    key: str
    customer: str
    amount: str


class Payer(Visitor):
    """A person in finance, at a browser, and the provider that it pays with."""

    longest_pause = 0.5

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str) -> None:
        super().__init__(shop, book, email=email, run=run)
        self._customers = shop.customers
        self._silent: list[Order] = []  # of which nothing was called back

    def act(self) -> None:
        """Order a payment and call back of it; or call back of one that was silent."""
        if self._silent and self.random.random() < LATE:
            order = self._silent.pop(self.random.randrange(len(self._silent)))
            self._call_back(order, ["paid"])
            return
        order = Order(self.key(), self.random.choice(self._customers), self.amount(most_fen=MOST_FEN))
        self._order(order)
        ends = [name for name, share in ENDS.items() if self.random.random() < share]
        if ends:
            self._call_back(order, ends)
        else:
            self._silent.append(order)

    def _order(self, order: Order) -> None:
        path = f"/customers/{order.customer}/pay"
        self.book.note(ordering=order.key, customer=order.customer, amount=order.amount)
        for _ in range(2 if self.random.random() < RESENT else 1):
            answer = self.send_form(path, {"amount": order.amount, "order_id": order.key})
            if answer.headers.get("Location") != f"/payments/fake/{order.key}":
                raise WrongAnswer(f"{path}: {answer.status_code} {answer.text[:2000]}")
        self.book.note(ordered=order.key)

    def _call_back(self, order: Order, ends: list[str]) -> None:
        bookings = _bookings(order, ends)
        for booking in bookings:
            self.book.note(customer=order.customer, amount=order.amount, **booking)
        for name in ends:
            self.book.note(calling=order.key, ends=name)
        with ThreadPoolExecutor(2) as threads:
            for _ in threads.map(lambda name: self._call(order, name), self._copies(ends)):
                pass
        for name in ends:
            self.book.note(called=order.key, ends=name)
        for booking in bookings:
            self.book.note(booked=booking["booking"])

    def _copies(self, ends: list[str]) -> list[str]:
        """Return what is sent, in order: two at a time are under way."""
        shuffled = self.random.sample(ends, len(ends))
        first = [name for name in shuffled for _ in range(2 if self.random.random() < AT_ONCE else 1)]
        return first + [name for name in shuffled if self.random.random() < AGAIN]

    def _call(self, order: Order, ends: str) -> None:
        path = f"/payments/fake/{order.key}"
        answer = self.send_form(path, {"ends": ends})
        # In a build that loses commits the order may be gone; the checker finds that.
        if answer.status_code not in (302, 403, 404):
            raise WrongAnswer(f"{path}, {ends}: {answer.status_code} {answer.text[:2000]}")


def _bookings(order: Order, ends: list[str]) -> list[dict[str, str]]:
    """Return what has to be booked once all of these have come; each time the whole amount."""
    if "paid" not in ends:
        return []
    dispute = f"fake dispute_{UUID(order.key).hex}"
    kinds = {
        f"fake {order.key}": "payment",
        f"fake {order.key} up to {order.amount}": "refund" if "refunded" in ends else "",
        f"{dispute} withdrawn up to {order.amount}": "chargeback" if {"disputed", "won"} & {*ends} else "",
        f"{dispute} reinstated up to {order.amount}": "chargeback_reversal" if "won" in ends else "",
    }
    return [{"booking": key, "kind": kind} for key, kind in kinds.items() if kind]
