"""Owners who buy packages on the pages of the product, whatever breaks meanwhile, and note what they did.

The journal has one JSON object a line: `{"ordered": id, "customer": code, "product": name, "units": n or
null}` before an order leaves for the first time, and `{"bought": id, "number": number, "attempts": n}` for
every answer that led to the package, also when an order is sent once more. They have some of it renewed, and
some refunded: `{"refunding": number}` before the order leaves, `{"refunded": number}` once it is answered.
"""

import datetime as dt
import re

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor, hidden

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
_PACKAGE = re.compile(r"/packages/([\w-]+)$")


class Buyer(Visitor):
    """The owner of one customer, at a browser."""

    def __init__(self, shop: Shop, book: OrderBook, *, customer: str, run: str) -> None:
        super().__init__(shop, book, email=f"owner@{customer}.example", run=run)
        self._shop, self._customer = shop, customer
        self._bought: list[str] = []

    def act(self) -> None:
        """Buy a package, and now and then have one of the last refunded."""
        self._buy_one()
        if self._bought and self.random.random() < REFUNDED:
            self._refund(self.random.choice(self._bought[-LAST:]))

    def _buy_one(self) -> None:
        product = self.random.choice(self._preferred())
        path = f"/customers/{self._customer}/packages/buy/{self._shop.terms[product]}"
        units = self.random.randint(1, MOST_UNITS) if "TPM" in product else None
        days = self.random.randint(1, MOST_DAYS)
        choice = {"units": str(units), "periods": str(days)} if units else {}
        shown = self.insist("GET", path, params=choice)
        order = hidden(shown.text)
        if shown.status_code != 200 or "begins_at" not in order:
            raise WrongAnswer(f"{path}: {shown.status_code} {shown.text[:500]}")
        if dt.datetime.fromisoformat(order["begins_at"]) > self._shop.clock.now() + MOST_TO_WAIT:
            return
        order["order_id"] = self.key()
        self.book.note(ordered=order["order_id"], customer=self._customer, product=product, units=units)
        self._order(path, order)
        if self.random.random() < RESENT:
            self._order(path, order)
        if self.random.random() < RENEWED:
            self._renew(self._bought[-1], "on")
            if self.random.random() > KEPT:
                self._renew(self._bought[-1], "off")

    def _renew(self, number: str, renewal: str) -> None:
        """Switch the renewal of a package; it is refused where the package has ended meanwhile."""
        fields = hidden(self.insist("GET", f"/packages/{number}").text) | {"renewal": renewal}
        answer = self.insist("POST", f"/packages/{number}/renewal", data=fields)
        # In a build that loses commits the package or the session may be gone; the checker finds that.
        if answer.status_code not in (302, 403, 404):
            raise WrongAnswer(f"{number}, renewal: {answer.status_code} {answer.text[:2000]}")

    def _refund(self, number: str) -> None:
        """Order a refund until it is answered, as the page shows it; it may be refused."""
        path = f"/packages/{number}/refund"
        order = hidden(self.insist("GET", path).text)
        if "ends_at" not in order:
            return
        self.book.note(refunding=number)
        while (answer := self.insist("POST", path, data=order)).status_code == 409:
            order |= hidden(answer.text)
        if answer.status_code == 302:
            self.book.note(refunded=number)
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
            answer = self.insist("POST", path, data=order)
            attempts += self.attempts
            if answer.status_code == 302 and (found := _PACKAGE.search(answer.headers["Location"])):
                self.book.note(bought=order["order_id"], number=found[1], attempts=attempts)
                self._bought.append(found[1])
                return
            if answer.status_code != 409:
                raise WrongAnswer(f"{path}: {answer.status_code} {answer.text[:2000]}")
            order |= hidden(answer.text)
