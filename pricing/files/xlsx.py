"""Excel workbooks as tables of text: nothing in a cell is rounded, guessed or run.

Written, every cell of a catalogue is text, so that a spreadsheet changes no digit and runs no formula. In
other workbooks text is text, too, and numbers are numbers as far as Excel holds them. Read, numbers have
the 15 digits that Excel keeps, and dates, which have no zone there, are UTC.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from io import BytesIO
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from defusedxml.ElementTree import iterparse
from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from xlsxwriter import Workbook
from xlsxwriter.packager import Packager
from xlsxwriter.sharedstrings import SharedStrings
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from pricing.rules.amounts import plain

# A file of a few kilobytes may hold gigabytes of one letter.
MAX_UNPACKED = 32 * 1024 * 1024
MAX_PARTS = 1000
# Far more than any sheet of ours has; a workbook may say that its only line is the billionth.
LAST_LINE, LAST_COLUMN = 100_000, 64
DIGITS = 15
MOST_LINES = 1_048_576  # of a sheet, in Excel
LONGEST_TEXT = 32_767  # of a cell, in Excel
WIDTH = 24
EXACT = "exact_digits"
_EXCEL = Context(prec=DIGITS)

# How a workbook writes characters that XML cannot hold, and an underscore that would begin such an escape.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NO_XML = r"\x00-\x08\x0b-\x1f\ufffe\uffff"
_TO_ESCAPE = re.compile(rf"[{_NO_XML}]|_(?=x[0-9A-Fa-f]{{4}}[_{_NO_XML}])")
# What the reader raises for a file that is damaged or made to harm: it checks nothing itself.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    TypeError,
    ValueError,
    ZlibError,
)


class BadWorkbook(ValueError):
    """Bytes that are no workbook, or one that is too large."""


@dataclass(frozen=True)
class NoText:
    """A cell that cannot be taken as text, and why."""

    problem: str


Cell = str | NoText
Line = tuple[int, list[Cell]]


class _Reader(ExcelReader):
    """Reads the shared texts as they are; the library's own way drops `x005F_` wherever it stands."""

    def read_strings(self) -> None:
        package: Any = self.package
        part = package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                self.shared_strings = list(_shared_texts(source))


class TooManyLines(ValueError):
    """A table with more lines than a sheet has."""


class _Texts(SharedStrings):  # type: ignore[misc]
    """Writes every text as it is; the library's own way loses `_x005F_x000D_` and tags."""

    def _write_si(self, string: str) -> None:
        self._xml_si_element(_escaped(string), [("xml:space", "preserve")])


class _Packager(Packager):  # type: ignore[misc]
    def _write_shared_strings_file(self) -> None:
        texts = _Texts()
        texts.string_table = self.workbook.str_table
        if texts.string_table.count:
            texts._set_xml_writer(self._filename("xl/sharedStrings.xml"))
            texts._assemble_xml_file()


class _Book(Workbook):  # type: ignore[misc]
    def _get_packager(self) -> Packager:
        return _Packager()


class _Rows(Worksheet):  # type: ignore[misc]
    """A sheet whose rows go to its file at once.

    The library's own way, with calls and an object for each cell, takes thrice as long.
    """

    _written = 0

    def append(self, cells: Sequence[str | int | Decimal | None], *, text: Any, number: Any) -> None:
        """Write the next row."""
        row = self._written = self._written + 1
        if row > MOST_LINES:
            raise TooManyLines(f"A sheet has at most {MOST_LINES:,} lines.")
        self.dim_rowmin, self.dim_colmin, self.dim_rowmax, self.dim_colmax = 0, 0, row - 1, len(cells) - 1
        texts, numbers = text._get_xf_index(), number._get_xf_index()
        written = [f'<row r="{row}">']
        for column, cell in enumerate(cells):
            if isinstance(cell, int | Decimal):
                place = f'r="{xl_col_to_name(column)}{row}" s="{numbers}"'
                written.append(f"<c {place}><v>{_EXCEL.plus(Decimal(cell)):f}</v></c>")
            elif cell:
                place = f'r="{xl_col_to_name(column)}{row}" s="{texts}"'
                written.append(f'<c {place} t="inlineStr"><is>{_text_element(cell)}</is></c>')
        self.fh.write("".join([*written, "</row>"]))


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


@lru_cache(maxsize=4096)
def _text_element(text: str) -> str:
    return f'<t xml:space="preserve">{escape(_escaped(text[:LONGEST_TEXT]))}</t>'


@dataclass(frozen=True)
class Table:
    """A sheet with a head; a last column, EXACT, has every digit of the numbers that Excel cannot hold."""

    name: str
    head: Sequence[str]
    rows: Iterable[Sequence[str | int | Decimal | None]]


def write_tables(*, to: IO[bytes], tables: Iterable[Table]) -> None:
    """Write a workbook of these tables, row by row as they come; raise TooManyLines."""
    with Workbook(to, {"constant_memory": True}) as book:
        text = book.add_format({"num_format": "@", "valign": "top"})
        number = book.add_format({"num_format": "#,##0.##############", "valign": "top"})
        head = book.add_format({"num_format": "@", "bold": True, "bottom": 1})
        for table in tables:
            sheet = book.add_worksheet(table.name, _Rows)
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(table.head), WIDTH)
            sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
            sheet.append([*table.head, EXACT], text=head, number=head)
            for cells in table.rows:
                sheet.append([*cells, _exact_digits(table.head, cells)], text=text, number=number)


def _exact_digits(head: Sequence[str], cells: Sequence[Any]) -> str:
    """Return the numbers that Excel would round, each with its column."""
    return "; ".join(
        f"{name} {plain(Decimal(cell))}"
        for name, cell in zip(head, cells, strict=True)
        if isinstance(cell, int | Decimal) and _EXCEL.plus(Decimal(cell)) != cell
    )


def write_workbook(sheets: Mapping[str, Sequence[Sequence[str]]]) -> bytes:
    """Return a workbook of these sheets, whose first lines are their heads; every cell is text."""
    written = BytesIO()
    with _Book(written, {"in_memory": True}) as book:
        text = book.add_format({"num_format": "@", "valign": "top"})
        head = book.add_format({"num_format": "@", "bold": True})
        for name, lines in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            # What is typed into these columns later stays text as well.
            sheet.set_column(0, len(lines[0]) - 1, WIDTH, text)
            sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
            for number, cells in enumerate(lines):
                for column, cell in enumerate(cells):
                    if cell:
                        sheet.write_string(number, column, cell, text if number else head)
    return written.getvalue()


def read_workbook(data: bytes) -> list[tuple[str, list[Line]]]:
    """Return the sheets of a workbook with their lines that are not empty, or raise BadWorkbook."""
    try:
        _require_bounds(data)
        reader = _Reader(BytesIO(data), read_only=True, keep_links=False)
        reader.read()
        return [(sheet.title, list(_lines(sheet))) for sheet in reader.wb.worksheets]
    except BadWorkbook:
        raise
    except _DAMAGED as error:
        raise BadWorkbook("It is damaged, or no Excel workbook (.xlsx).") from error


def _require_bounds(data: bytes) -> None:
    with ZipFile(BytesIO(data)) as archive:
        parts = archive.infolist()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise BadWorkbook(f"Unpacked it is larger than {MAX_UNPACKED // 1024**2} MB.")


def _shared_texts(source: Any) -> Iterator[str]:
    for _, node in iterparse(source):
        if node.tag == f"{{{SHEET_MAIN_NS}}}si":
            text: Any = Text.from_tree(node)
            yield text.content
            node.clear()


def _lines(sheet: Any) -> Iterator[Line]:
    # The sheet may say itself how large it is, and be wrong.
    sheet.reset_dimensions()
    for number, cells in enumerate(sheet.iter_rows(min_row=1, max_col=LAST_COLUMN), start=1):
        if number > LAST_LINE:
            raise BadWorkbook(f"It has more than {LAST_LINE:,} lines.")
        texts = [_text(cell) for cell in cells]
        while texts and texts[-1] == "":
            texts.pop()
        if texts:
            yield number, texts


def _text(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return ""
    match cell.data_type:
        case "f":
            return NoText("This is a formula: put its value here.")
        case "e":
            return NoText(f"The spreadsheet says {value} here.")
        case "b":
            return "yes" if value else ""
        case "d":
            return _instant_text(value)
        case "n":
            return _number_text(value)
        case _:
            return _plain_text(str(value))


def _instant_text(value: Any) -> Cell:
    if not isinstance(value, dt.datetime):
        return NoText(f"This is a time of day or a duration, {value}: write 2026-12-01T00:00:00Z.")
    return value.replace(tzinfo=dt.UTC).isoformat().replace("+00:00", "Z")


def _number_text(value: Any) -> str:
    """Return the number that a spreadsheet means by its binary one: 0.3, not 0.299999999999999988."""
    with localcontext(prec=DIGITS):
        return f"{Decimal(repr(value)).normalize():f}"


def _plain_text(value: str) -> Cell:
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return NoText("It holds a character that is none.")
    return text
