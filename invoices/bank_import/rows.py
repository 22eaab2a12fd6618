"""The bookings of a bank's file, each read by what its columns are."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext

from invoices.bank_import.bank_file import BankTable
from invoices.bank_import.cells import guess_decimal_sign, guess_is_month_first, read_amount, read_date
from invoices.bank_import.columns import Role, guess_columns

_IN = {
    "贷",
    "贷方",
    "收",
    "收入",
    "入",
    "来账",
    "转入",
    "存入",
    "c",
    "cr",
    "crdt",
    "credit",
    "h",
    "haben",
    "bij",
}
_OUT = {
    "借",
    "借方",
    "付",
    "支",
    "支出",
    "出",
    "往账",
    "转出",
    "支取",
    "d",
    "dr",
    "dbit",
    "debit",
    "s",
    "soll",
    "af",
}
_OURS = {"", "cny", "rmb", "cnh", "人民币", "人民币元", "156", "01", "元"}
_AMOUNTS = (Role.AMOUNT, Role.CREDIT, Role.DEBIT)
_EARLIEST = dt.date(2000, 1, 1)
_AHEAD = dt.timedelta(days=10)  # a value date may lie on the other side of holidays


@dataclass(frozen=True)
class Layout:
    """What each column is, and how dates and amounts are written."""

    columns: dict[Role, int]
    decimal_sign: str
    is_month_first: bool


@dataclass(frozen=True)
class BankRow:
    """A booking at the bank; `amount` below 0 went out. A `problem` says why it cannot be read."""

    line: int
    date: dt.date | None
    amount: Decimal
    payer: str
    text: str
    reference: str
    currency: str
    problem: str = ""

    @property
    def is_in_our_currency(self) -> bool:
        """Whether it is in RMB; so is what names no currency."""
        return self.currency.casefold() in _OURS


def guess_layout(table: BankTable) -> Layout:
    """Return what the headings and cells of a file tell of it."""
    columns = guess_columns(table.head)
    amounts = [cell for role in _AMOUNTS for cell in _cells(table, columns.get(role))]
    dates = _cells(table, columns.get(Role.DATE))
    return Layout(columns, guess_decimal_sign(amounts), guess_is_month_first(dates))


def read_bank_rows(table: BankTable, layout: Layout, *, today: dt.date) -> list[BankRow]:
    """Return every booking; lines with neither date nor amount, such as a bank's notes, are left out."""
    return [row for line, cells in table.lines if (row := _row(line, cells, layout, today=today)) is not None]


def _row(line: int, cells: list[str], layout: Layout, *, today: dt.date) -> BankRow | None:
    def cell(role: Role) -> str:
        place = layout.columns.get(role, len(cells))
        return cells[place] if place < len(cells) else ""

    if not any(cell(role) for role in (Role.DATE, *_AMOUNTS)):
        return None
    texts = dict.fromkeys(text for role in (Role.TEXT, Role.MORE_TEXT) if (text := cell(role)))
    named = (cell(Role.PAYER), " ".join(texts), cell(Role.REFERENCE), cell(Role.CURRENCY))
    try:
        date = _date(cell(Role.DATE), layout, today=today)
        amounts = {role: _amount(cell(role), layout) for role in _AMOUNTS}
        return BankRow(line, date, _signed(amounts, cell(Role.DIRECTION)), *named)
    except _UnreadableCell as problem:
        return BankRow(line, None, Decimal(0), *named, problem=str(problem))


class _UnreadableCell(ValueError):
    """The text says what is wrong with it."""


def _date(text: str, layout: Layout, *, today: dt.date) -> dt.date:
    try:
        date = read_date(text, is_month_first=layout.is_month_first)
    except ValueError as error:
        if not text:
            raise _UnreadableCell(gettext("It has no date.")) from error
        raise _UnreadableCell(gettext("%(text)r is no date.") % {"text": text}) from error
    if not _EARLIEST <= date <= today + _AHEAD:
        raise _UnreadableCell(gettext("%(date)s lies too far ahead or back.") % {"date": date})
    return date


def _amount(text: str, layout: Layout) -> Decimal:
    try:
        return read_amount(text, decimal_sign=layout.decimal_sign) if text else Decimal(0)
    except ValueError as error:
        raise _UnreadableCell(gettext("%(text)r is no amount to the fen.") % {"text": text}) from error


def _signed(amounts: dict[Role, Decimal], direction: str) -> Decimal:
    """Return what came in, negative for what went out. Banks write debits with and without a minus."""
    credit, debit = amounts[Role.CREDIT], amounts[Role.DEBIT]
    if credit and debit:
        raise _UnreadableCell(gettext("It is a credit and a debit at once."))
    if credit or debit:
        return credit - abs(debit)
    amount, side = amounts[Role.AMOUNT], direction.casefold()
    if not side or side in _IN:
        return amount
    if side not in _OUT:
        words = gettext("%(text)r says neither that it came in nor that it went out.")
        raise _UnreadableCell(words % {"text": direction})
    return -abs(amount)


def _cells(table: BankTable, place: int | None) -> Iterator[str]:
    return (cells[place] for _, cells in table.lines if place is not None and place < len(cells))
