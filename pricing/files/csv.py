"""CSV files that a spreadsheet opens as they are meant and a program reads back exactly.

UTF-8 with the byte order mark by which Excel recognises it, RFC 4180 for the rest. Numbers are plain decimals
with every digit, without grouping. Text that a spreadsheet would take for a formula has an apostrophe in
front; so has text that begins with apostrophes and would be one without them, so that the escape is
reversible: `=1+1` is written `'=1+1`, and `'=1+1` is written `''=1+1`.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import TextIOWrapper
from typing import IO

from pricing.rules.amounts import plain

Cell = str | int | Decimal | None

# What begins a formula, in ASCII or as the wide and small variants that spreadsheets fold to it.
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b"
# What a spreadsheet may drop before it looks for one: white space, controls, characters without a width.
_DROPPED = "\\s\0-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff"
_FORMULA = re.compile(f"'*(?:[{_DROPPED}]*[{_SIGNS}]|[\t\r\n])")


def escaped(text: str) -> str:
    """Return the text as a cell that no spreadsheet takes for a formula; `unescaped` is the reverse."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_csv(*, to: IO[bytes], head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write the head and the rows as they come; None is an empty cell."""
    text = TextIOWrapper(to, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(map(_cells, rows))
    text.detach()  # flushes, and leaves the file open


def _cells(row: Sequence[Cell]) -> list[Cell]:
    return [_cell(value) for value in row]


def _cell(value: Cell) -> Cell:
    if isinstance(value, str):
        return escaped(value)
    return plain(value) if isinstance(value, Decimal) else value
