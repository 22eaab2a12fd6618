"""Staff at the import of a bank's files, each twice at once, whatever breaks meanwhile.

Each file repeats the end of the one before. Its last row is of no customer, and must not be booked. The
journal is that of cashiers; the key of a booking is `bank` and the bank's reference, which each row has of
its own.
"""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from tests.faults.driver import WrongAnswer
from tests.faults.visitor import OrderBook, Shop, Visitor, hidden, is_signed_out

MOST_FEN = 40_000
MOST_ROWS, REPEATED = 4, 3
MOST_ROUNDS = 20
HEAD = "Date,Amount,Payer,Text,Reference"
# What each column is, as the page has it.
_COLUMNS = {name: str(place) for place, name in enumerate(("date", "amount", "payer", "text", "reference"))}
_LAYOUT = {**_COLUMNS, "decimal_sign": ".", "date_order": "day"}
# A payment of the same customer, day and amount would not be booked by itself: each row has a day of its own.
_LAST_DAY = dt.date(2026, 6, 30)
_PATH = "/admin/bank-import"


class Importer(Visitor):
    """A person of staff, at the page that imports."""

    def __init__(self, shop: Shop, book: OrderBook, *, email: str, run: str) -> None:
        super().__init__(shop, book, email=email, run=run)
        self._customers = shop.customers
        self._rows: list[str] = []

    def act(self) -> None:
        """Import a file twice at once, until nothing of it is left to be booked."""
        before = len(self._rows)
        for _ in range(self.random.randint(1, MOST_ROWS)):
            self._add_row()
        file = "\n".join([HEAD, *self._rows[max(before - REPEATED, 0) :], "2026-07-01,1.00,Somebody,,H-0"])
        with ThreadPoolExecutor(2) as threads:
            for _ in threads.map(self._confirm, [self._preview(file), self._preview(file)]):
                pass
        for _ in range(MOST_ROUNDS):
            page = self._preview(file)
            if "Show what would be booked" in page:
                break
            self._confirm(page)
        else:
            raise WrongAnswer(f"{_PATH}: something is always left to be booked: {page[:2000]}")
        for number in range(before, len(self._rows)):
            self.book.note(booked=f"bank H-{number + 1}")

    def _add_row(self) -> None:
        customer, amount = self.random.choice(self._customers), self.amount(most_fen=MOST_FEN)
        number = len(self._rows) + 1
        day = _LAST_DAY - dt.timedelta(days=number)
        self.book.note(booking=f"bank H-{number}", customer=customer, kind="payment", amount=amount)
        self._rows.append(f"{day},{amount},A payer,Usage of {customer},H-{number}")

    def _preview(self, file: str) -> str:
        answer = self.send_form(_PATH, {}, files={"file": ("bank.csv", file.encode())})
        if "previewed" not in hidden(answer.text):
            raise WrongAnswer(f"{_PATH}: {answer.status_code} {answer.text[:2000]}")
        return answer.text

    def _confirm(self, page: str) -> None:
        """Have booked what a preview showed; another one may have been first."""
        answer = self.insist("POST", _PATH, data=hidden(page) | _LAYOUT | {"book": "1"})
        if is_signed_out(answer):
            self.sign_in()
        elif answer.status_code not in (200, 302):
            raise WrongAnswer(f"{_PATH}: {answer.status_code} {answer.text[:2000]}")
