"""A bank's file as a table: its encoding, its separator, and the line that heads the columns.

Banks write lines above the head and below the last booking, in the encoding of their country. Of every way to
read the file, that in which most headings are recognised is taken.
"""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from django.utils.translation import gettext

from invoices.bank_import.columns import guess_columns, is_enough

MAX_BYTES = 1024 * 1024
MAX_LINES = 800  # each has a field on the page, and Django reads 1,000
MAX_COLUMNS = 60
MAX_CELL = 500
# The head is within so many lines.
_FIRST_LINES = 40
ENCODINGS = ("utf-8-sig", "gb18030", "cp1252")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = ",;\t"
_WORKBOOKS = (b"PK", b"\xd0\xcf\x11\xe0")

Line = tuple[int, list[str]]


class BankFileRefused(ValueError):
    """It cannot be read as a bank's file; the text says why, in the language of the page."""


@dataclass(frozen=True)
class BankTable:
    """The headings, and each line below them with its number in the file."""

    head_line: int
    head: list[str]
    lines: list[Line]


def read_bank_file(*, data: bytes, encoding: str = "") -> BankTable:
    """Return the table of a file in this encoding, or in that which fits best; raise BankFileRefused."""
    if len(data) > MAX_BYTES:
        raise BankFileRefused(gettext("The file is larger than 1 MB."))
    if data.startswith(_WORKBOOKS):
        raise BankFileRefused(gettext("It is a workbook. Save it as CSV, or export CSV at the bank."))
    tables = [
        (table, text, separator)
        for text in _texts(data, encoding)
        for separator in _SEPARATORS
        if (table := _table(text, separator)) is not None
    ]
    if not tables:
        raise BankFileRefused(gettext("It is no CSV file in this encoding, or it has no two columns."))
    best, text, separator = max(tables, key=lambda one: _recognised(one[0]))
    _require_closed_quotes(text, separator)
    if not best.lines:
        raise BankFileRefused(
            gettext("Below the head in line %(line)s is nothing.") % {"line": best.head_line}
        )
    if len(best.lines) > MAX_LINES:
        raise BankFileRefused(gettext("It has more than %(most)s lines; split it.") % {"most": MAX_LINES})
    return best


def _texts(data: bytes, encoding: str) -> Iterator[str]:
    encodings = (encoding,) if encoding else (("utf-16",) if data.startswith(_UTF_16) else ENCODINGS)
    for one in encodings:
        try:
            text = data.decode(one)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            yield text
        if one == "utf-8-sig":  # no other encoding is UTF-8 by chance
            return


def _table(text: str, separator: str) -> BankTable | None:
    """Return the table below the line with the most recognised headings, or below the first of two cells."""
    try:
        lines = list(_lines(text, separator))
    except csv.Error:
        return None
    wide = [
        (place, cells) for place, (_, cells) in enumerate(lines[:_FIRST_LINES]) if sum(map(bool, cells)) > 1
    ]
    if not wide:
        return None
    place, head = max(wide, key=lambda one: (_headings(one[1]), -one[0]))
    return BankTable(lines[place][0], head, lines[place + 1 :])


def _require_closed_quotes(text: str, separator: str) -> None:
    """Refuse a file of which a quotation mark would swallow lines."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        deque(reader, maxlen=0)
    except csv.Error as error:
        words = gettext("Before the end of line %(line)s a quotation mark is not closed, or text follows it.")
        raise BankFileRefused(words % {"line": reader.line_num}) from error


def _lines(text: str, separator: str) -> Iterator[Line]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    begins = 1
    for cells in reader:
        cleaned = [_cleaned(cell) for cell in cells[:MAX_COLUMNS]]
        if any(cleaned):
            yield begins, cleaned
        begins = reader.line_num + 1


def _cleaned(cell: str) -> str:
    """Return the cell on one line, without what banks add so that Excel takes it for text."""
    text = " ".join("".join(one if one.isprintable() else " " for one in cell).split())
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.removeprefix("'")[:MAX_CELL].strip()


def _recognised(table: BankTable) -> tuple[int, int]:
    return _headings(table.head), len(table.head)


def _headings(cells: list[str]) -> int:
    columns = guess_columns(cells)
    return len(columns) if is_enough(columns) else 0
