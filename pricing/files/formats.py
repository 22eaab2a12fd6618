"""The catalogue as a file, CSV or XLSX, and back; docs/catalogue-files.md describes both formats.

What is written is read back exactly. What spreadsheets make of a file when they save it is read too, as long
as it is plain what was meant; anything else is a problem with its sheet, line and column.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from io import BytesIO, StringIO

from pricing.changes.rows import SHEETS, BadCell, Row, cells_of, columns_of, row_of
from pricing.files.csv import unescaped, write_csv
from pricing.files.xlsx import BadWorkbook, Cell, Line, NoText, read_workbook, write_workbook

MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 10_000  # some 3 ms a row: half a minute, which a request may still take
# A cell of a workbook holds 32,767 UTF-16 units; what is longer goes on in further columns.
PIECE = 16_000

SHEET = "sheet"
COLUMNS = [SHEET, *dict.fromkeys(column for sheet in SHEETS for column in columns_of(sheet))]
_ZIP, _OLD_EXCEL = b"PK", b"\xd0\xcf\x11\xe0"
_NEITHER = "It is neither a workbook (.xlsx) nor text in UTF-8"
_CONTINUED = re.compile(r"(\w+) \(continued \d+\)")

csv.field_size_limit(MAX_BYTES)  # a description may be as long as the file


class BadFile(ValueError):
    """A file that cannot be read as a catalogue at all."""


@dataclass(frozen=True)
class Stated:
    """A row and the line that states it."""

    line: int
    row: Row


@dataclass(frozen=True)
class CellProblem:
    """What cannot be read, and where."""

    sheet: str
    line: int
    column: str
    text: str


@dataclass
class Reading:
    """What was read of a file."""

    stated: list[Stated] = field(default_factory=list)
    problems: list[CellProblem] = field(default_factory=list)


def csv_file(rows: Iterable[Row]) -> bytes:
    """Return the rows as one CSV file (pricing/files/csv.py)."""
    written = BytesIO()
    cells = ({SHEET: row.sheet, **cells_of(row)} for row in rows)
    write_csv(to=written, head=COLUMNS, rows=([row.get(column) for column in COLUMNS] for row in cells))
    return written.getvalue()


def xlsx_file(rows: Iterable[Row]) -> bytes:
    """Return the rows as a workbook with one worksheet a sheet."""
    lines: dict[str, list[dict[str, str]]] = {sheet: [] for sheet in SHEETS}
    for row in rows:
        lines[row.sheet].append(cells_of(row))
    return write_workbook({sheet: _broken_up(columns_of(sheet), lines[sheet]) for sheet in SHEETS})


def read_rows(*, data: bytes, name: str) -> Reading:
    """Return the rows that a CSV or XLSX file states and what cannot be read of it, or raise BadFile."""
    if len(data) > MAX_BYTES:
        raise BadFile(f"{name} is larger than {MAX_BYTES // 1024**2} MB.")
    try:
        tables = read_workbook(data) if data.startswith(_ZIP) else [("", _csv_lines(data))]
        reading = Reading()
        for title, lines in tables:
            _read_table(title.strip().lower(), iter(lines), reading)
    except (BadWorkbook, csv.Error) as error:
        raise BadFile(f"{name} cannot be read: {error}") from error
    if not reading.stated and not reading.problems:
        raise BadFile(f"{name} states nothing: below a head with the columns it needs at least one row.")
    return reading


def _read_table(title: str, lines: Iterator[Line], reading: Reading) -> None:
    """Read one worksheet, or a CSV file, whose rows say themselves of which sheet they are."""
    first, head = next(lines, (0, []))
    if not head:
        return
    names = [cell.strip() if isinstance(cell, str) else "" for cell in head]
    if SHEET in names:  # a CSV file, or one that was saved as a workbook
        title = ""
        lines = ((line, [_unescaped(cell) for cell in cells]) for line, cells in lines)
    if problems := list(_head_problems(title, first, names)):
        reading.problems += problems
        return
    columns = [_CONTINUED.sub(r"\1", name) for name in names]
    incomplete: set[str] = set()
    for line, cells in lines:
        if len(reading.stated) + len(reading.problems) >= MAX_ROWS:
            raise BadWorkbook(f"It has more than {MAX_ROWS:,} rows.")
        sheet = title or _sheet_of(columns, cells)
        lacking = [column for column in _required(sheet) if column not in columns]
        if lacking and sheet not in incomplete:
            incomplete.add(sheet)
            reading.problems.append(CellProblem(sheet, first, lacking[0], "This column is missing."))
        elif not lacking:
            _read_line(sheet, columns, line, cells, reading)


def _head_problems(title: str, line: int, names: Sequence[str]) -> Iterator[CellProblem]:
    """Yield what is wrong with a sheet's name or the names of its columns."""
    if title and title not in SHEETS:
        yield CellProblem(title, line, "", f"There is no such sheet; there are {', '.join(SHEETS)}.")
        return
    if not title and SHEET not in names:
        expected = ",".join(COLUMNS)
        yield CellProblem(
            "", line, SHEET, f"This column is missing: a CSV file begins with the line {expected}"
        )
        return
    known = columns_of(title) if title else COLUMNS
    for place, name in enumerate(names):
        if name in names[:place] and name:
            yield CellProblem(title, line, name, "There is a second column of this name.")
        elif name and _CONTINUED.sub(r"\1", name) not in known:
            yield CellProblem(title, line, name, f"There is no such column; there are {', '.join(known)}.")


def _sheet_of(columns: Sequence[str], cells: Sequence[Cell]) -> str:
    cell = dict(zip(columns, cells, strict=False)).get(SHEET, "")
    return cell.strip().lower() if isinstance(cell, str) else ""


def _read_line(
    sheet: str, columns: Sequence[str], line: int, cells: Sequence[Cell], reading: Reading
) -> None:
    """Read one row, or say what is wrong with it."""
    if sheet not in SHEETS:
        problem = f"{sheet!r} is no sheet; there are {', '.join(SHEETS)}."
        reading.problems.append(CellProblem(sheet, line, SHEET, problem))
        return
    texts: dict[str, str] = {}
    problems = []
    for place, cell in enumerate(cells):
        column = columns[place] if place < len(columns) else ""
        if problem := _cell_problem(sheet, column, cell):
            problems.append(CellProblem(sheet, line, column, problem))
        elif isinstance(cell, str):
            texts[column] = texts.get(column, "") + cell
    if not problems:
        try:
            reading.stated.append(Stated(line, row_of(sheet, texts)))
        except BadCell as error:
            problems.append(CellProblem(sheet, line, error.column, error.problem))
    reading.problems += problems


def _cell_problem(sheet: str, column: str, cell: Cell) -> str:
    if isinstance(cell, NoText):
        return cell.problem
    if cell and column not in {SHEET, *columns_of(sheet)}:
        return f"The {sheet} have no such column." if column else f"{cell!r} stands under no column."
    return ""


def _required(sheet: str) -> list[str]:
    """Return the columns of a sheet that no row can do without."""
    return [one.name for one in fields(SHEETS[sheet]) if one.default is MISSING] if sheet in SHEETS else []


def _csv_lines(data: bytes) -> Iterator[Line]:
    """Yield the lines of a CSV file that are not empty, each with the number at which it begins."""
    text = _decoded(data)
    head = text.partition("\n")[0]
    # Spreadsheets write semicolons where the comma is the decimal sign.
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    begins = 1
    for cells in reader:
        if any(cells):
            yield begins, list(cells)
        begins = reader.line_num + 1


def _decoded(data: bytes) -> str:
    if data.startswith(_OLD_EXCEL):
        raise BadWorkbook("It is an old Excel workbook (.xls), or has a password: save it as a plain .xlsx.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadWorkbook(f"{_NEITHER} (line {line}). Save it as 'CSV UTF-8', or as a workbook.") from error
    if "\0" in text:
        raise BadWorkbook(f"{_NEITHER}: it holds null characters.")
    return text


def _unescaped(cell: Cell) -> Cell:
    return unescaped(cell) if isinstance(cell, str) else cell


def _broken_up(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Return the head and the lines of a worksheet; what is too long for a cell goes on in the next."""
    head: list[str] = []
    lines: list[list[str]] = [[] for _ in rows]
    for column in columns:
        pieces = max((-(-len(row[column]) // PIECE) for row in rows), default=1) or 1
        head += [column, *(f"{column} (continued {number})" for number in range(1, pieces))]
        for line, row in zip(lines, rows, strict=True):
            line += [row[column][number * PIECE : (number + 1) * PIECE] for number in range(pieces)]
    return [head, *lines]
