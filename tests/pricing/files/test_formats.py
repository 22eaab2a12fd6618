"""The catalogue as CSV and XLSX: what is written is read back exactly, and what is not meant is refused."""

import csv
import datetime as dt
import io
import zipfile
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from pricing.changes.rows import (
    AT_ONCE,
    SHEETS,
    AliasRow,
    GroupRow,
    ItemWeight,
    PackageRow,
    PriceRow,
    ServiceRow,
    SpecificationRow,
    columns_of,
)
from pricing.files.formats import COLUMNS, MAX_BYTES, MAX_ROWS, BadFile, csv_file, read_rows, xlsx_file
from pricing.rules.measures import Measure
from pricing.rules.methods import PACKAGE_METHODS
from pricing.rules.periods import END, FIRST
from pricing.rules.validity import ValidityUnit

WRITERS = {"csv": csv_file, "xlsx": xlsx_file}
FORMATS = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
BEGINS = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
PRICE = PriceRow(
    service="SenseChat",
    measure=Measure.INPUT_TOKENS,
    kind="list_price",
    unit_price=Decimal("0.00000001"),
    unit_size=1000,
    begins_at=BEGINS,
)
GROUP = GroupRow(name="General", family="SenseNova LLM", position=1)


def read(data, name="file"):
    return read_rows(data=data, name=name)


def rows(data):
    reading = read(data)
    assert reading.problems == []
    return [stated.row for stated in reading.stated]


def said(data):
    """Where a file is wrong, and how."""
    return [(one.sheet, one.line, one.column, one.text) for one in read(data).problems]


def table(*lines):
    """A CSV file of these lines."""
    return "\n".join(lines).encode()


def book(**sheets):
    """A workbook as a spreadsheet would save it; names have underscores for spaces."""
    made: Any = Workbook()
    made.remove(made.active)
    for name, lines in sheets.items():
        sheet = made.create_sheet(name.replace("_", " "))
        for line in lines:
            sheet.append(line)
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
tricky = st.sampled_from(
    [
     "=1+1", "'=1", "''@x", "'", "+86", "-1", "@a", "\ttab", "\rreturn", " =1", "＝1", "a\r\nb",
     "_x0041_", "x005F_", "_x005F_x000D_", "_x005F_", "_x005F\r", "<r>a</r>",
     "_x000D_", '"quoted", twice', " around ", "商汤科技", "👩‍👩‍👧", "\x01", "\x85",
     "\ufffe", "a;b;c", "x" * 40_000,
    ]
)  # fmt: skip
texts = texts | tricky | st.builds("{}{}".format, tricky, texts)
within = FIRST.replace(tzinfo=None), END.replace(tzinfo=None) - dt.timedelta(microseconds=1)
instants = st.datetimes(*within, timezones=st.just(dt.UTC))
numbers = st.integers(0, 10**18 - 1)
prices = st.decimals(0, 999999, places=8)
# Names as the catalogue takes them: in one line, and without blanks around.
names = st.text(
    st.characters(categories=["L", "N", "P", "S"]) | st.sampled_from(', "'), min_size=1, max_size=20
)
names = names.map(str.strip).filter(bool)
several = st.sets(names, max_size=4).map(lambda found: tuple(sorted(found)))
weighed = st.tuples(names, st.sampled_from(Measure))
weights = st.dictionaries(weighed, st.decimals("0.001", 999, places=3), max_size=3).map(
    lambda found: tuple(
        sorted(ItemWeight(service=one, measure=measure, weight=w) for (one, measure), w in found.items())
    )
)
either = st.one_of(
    st.builds(GroupRow, name=texts, family=texts, description=texts, position=numbers),
    st.builds(ServiceRow, name=texts, group=texts, position=numbers),
    st.builds(AliasRow, alias=texts.filter(bool), service=texts),
    st.builds(
        PriceRow, service=texts, measure=st.sampled_from(Measure), customer=texts, kind=texts,
        unit_price=prices, unit_size=numbers, begins_at=instants, ends_at=st.none() | instants,
        remove=st.booleans(),
    ),
    st.builds(
        SpecificationRow, service=texts, customer=texts, rpm=numbers, tpm=st.none() | numbers,
        begins_at=instants, ends_at=st.none() | instants, remove=st.booleans(),
    ),
    st.builds(
        PackageRow, product=texts, method=st.sampled_from(PACKAGE_METHODS), services=several, groups=several,
        tokens=st.none() | numbers, validity=numbers, validity_unit=st.sampled_from(ValidityUnit),
        list_price=prices, offer_price=st.none() | prices, rpm=st.none() | numbers, tpm=st.none() | numbers,
        weights=weights, begins_at=st.just(AT_ONCE) | instants, ends_at=st.none() | instants,
        remove=st.booleans(),
    ),
)  # fmt: skip


@FORMATS
@settings(deadline=None, max_examples=60)
@given(written=st.lists(either, min_size=1, max_size=5))
def test_any_rows_survive(write, written):
    order = list(SHEETS)
    written.sort(key=lambda row: order.index(row.sheet))

    assert rows(write(written)) == written


PIECES = ["_x005F_", "_x000D_", "_x", "x005F_", "_", "_x005F", "\r", "\x01", "\ufffe", "<r>", "</r>"]
escapes = st.sampled_from(PIECES)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(escapes, max_size=8).map("".join).filter(bool), min_size=1, max_size=5, unique=True))
def test_text_that_looks_like_a_workbooks_own_escapes_survives(names):
    written = [AliasRow(alias=name, service=name) for name in names]

    assert rows(xlsx_file(written)) == written


@FORMATS
def test_a_very_long_description_survives(write):
    long = GroupRow(name="long", family="f", description="=商" * 40_000, position=1)

    assert rows(write([GROUP, long])) == [GROUP, long]


def test_no_cell_of_a_workbook_is_a_formula_a_number_or_too_long():
    row = GroupRow(name="=HYPERLINK(1)", family="+1", description="@" * 40_000, position=1)

    sheet: Any = load_workbook(io.BytesIO(xlsx_file([row])))["service groups"]

    kinds = {cell.data_type for line in sheet for cell in line}
    assert kinds == {"s"}
    assert sheet["A2"].value == "=HYPERLINK(1)"
    assert max(len(cell.value) for line in sheet for cell in line) <= 32_767
    assert (sheet.freeze_panes, sheet["A1"].font.bold, sheet["A2"].number_format) == ("A2", True, "@")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", " =1", "＝1", "'=1"])
def test_no_cell_of_a_csv_file_begins_as_a_formula(text):
    (_, cells) = csv.reader(
        io.StringIO(csv_file([AliasRow(alias=text, service="s")]).decode("utf-8-sig"), newline="")
    )

    assert f"'{text}" in cells


def test_a_csv_file_names_every_column_once_and_its_first_is_the_sheet():
    head = csv_file([]).decode("utf-8-sig").strip().split(",")

    assert head == COLUMNS
    assert head[0] == "sheet"
    assert set(head) == {"sheet"} | {column for sheet in SHEETS for column in columns_of(sheet)}


def test_a_csv_file_may_have_its_columns_in_any_order_and_leave_optional_ones_out():
    data = table("position,family,name,sheet", "1,SenseNova LLM,General,service groups", ",,,", "")

    assert rows(data) == [GROUP]


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_file_may_be_saved_in_any_usual_way(between, end, encoding):
    lines = ["sheet,alias,service", "aliases,gpt,SenseChat"]

    data = end.join(line.replace(",", between) for line in lines).encode(encoding)

    assert rows(data) == [AliasRow(alias="gpt", service="SenseChat")]


def test_lines_are_counted_as_an_editor_counts_them():
    data = table(
        "sheet,name,family,position,description",
        'service groups,a,f,1,"two',
        'lines"',
        "service groups,b,f,x",
    )

    assert [stated.line for stated in read(data).stated] == [2]
    assert said(data) == [
        (
            "service groups",
            4,
            "position",
            "'x' is not a whole number. Give a whole number, e.g. 1500 or 1,500.",
        )
    ]


NAIVE = BEGINS.replace(hour=16, minute=30, tzinfo=None)  # a workbook knows no zones
HEAD = ["service", "measure", "kind", "unit_price", "unit_size", "begins_at", "remove"]


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1e-8, "0.00000001"),
        (123456.12345678, "123456.12345678"),
        (2, "2"),
        (2.0, "2"),
    ],
)
def test_numbers_of_a_workbook_are_the_decimals_that_it_shows(number, digits):
    line = ["SenseChat", "input_tokens", "list_price", number, 1000.0, "2026-12-01T00:00:00Z"]

    (row,) = rows(book(prices=[HEAD, line]))

    assert (row.unit_price, row.unit_size) == (Decimal(digits), 1000)


def test_dates_of_a_workbook_are_utc():
    line = ["SenseChat", "input_tokens", "list_price", 0.1, 1000, NAIVE, True]

    (row,) = rows(book(prices=[HEAD, [], line, [None] * 7]))

    assert (row.begins_at, row.remove) == (BEGINS.replace(hour=16, minute=30), True)


def test_a_csv_file_that_was_saved_as_a_workbook_is_read():
    lines = list(
        csv.reader(io.StringIO(csv_file([AliasRow(alias="=1", service="s")]).decode("utf-8-sig"), newline=""))
    )
    made: Any = Workbook()
    for line in lines:
        made.active.append(line)
    saved = io.BytesIO()
    made.save(saved)

    assert rows(saved.getvalue()) == [AliasRow(alias="=1", service="s")]


ALIASES = ["alias", "service"]
CSV_HEAD = "sheet,alias,service"
PROBLEMS = {
    "an unknown sheet": (book(gifts=[["name"]]), ("gifts", 1, ""), "There is no such sheet"),
    "an unknown sheet in CSV": (table("sheet,name", "gifts,x"), ("gifts", 2, "sheet"), "'gifts' is no sheet"),
    "an unknown column": (book(aliases=[[*ALIASES, "x"]]), ("aliases", 1, "x"), "no such column"),
    "an unknown column in CSV": (table("sheet,x"), ("", 1, "x"), "no such column"),
    "a column twice": (book(aliases=[[*ALIASES, "alias"]]), ("aliases", 1, "alias"), "a second column"),
    "a missing column": (book(aliases=[["alias"], ["x"], ["y"]]), ("aliases", 1, "service"), "is missing"),
    "no sheet column": (table("name,family"), ("", 1, "sheet"), "begins with the line sheet,"),
    "another sheet's column": (table(f"{CSV_HEAD},rpm", "aliases,a,b,60"), ("aliases", 2, "rpm"), "no such"),
    "beside the columns": (table(CSV_HEAD, "aliases,a,b,c"), ("aliases", 2, ""), "stands under no column"),
    "a formula": (book(aliases=[ALIASES, ["=1+1", "x"]]), ("aliases", 2, "alias"), "a formula"),
    "an error": (book(aliases=[ALIASES, ["#N/A", "x"]]), ("aliases", 2, "alias"), "says #N/A"),
    "a time of day": (book(aliases=[ALIASES, [dt.time(10), "x"]]), ("aliases", 2, "alias"), "a time of day"),
    "no character": (book(aliases=[ALIASES, ["_xD800_", "x"]]), ("aliases", 2, "alias"), "that is none"),
    "a null character": (book(aliases=[ALIASES, ["_x0000_", "x"]]), ("aliases", 2, "alias"), "that is none"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "where", "text"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_cannot_be_read_is_a_problem_with_its_place(data, where, text):
    (problem,) = said(data)

    assert (problem[:3], text in problem[3]) == (where, True), problem


CELLS = {
    "no zone": ("2026-12-01T00:00:00,0.1,1000", "begins_at", "does not say in which zone"),
    "no instant": ("tomorrow,0.1,1000", "begins_at", "is not an instant"),
    "before all time": ("0001-01-01T00:00:00+14:00,0.1,1000", "begins_at", "is not an instant"),
    "at the end of time": ("9999-12-31T23:59:59-12:00,0.1,1000", "begins_at", "is not an instant"),
    "after all years": ("9000-01-01T00:00:00Z,0.1,1000", "begins_at", "in the years 1970 to 8999"),
    "before all years": ("1969-12-31T23:59:59.999999Z,0.1,1000", "begins_at", "in the years 1970 to 8999"),
    "no number": ("2026-12-01T00:00:00Z,cheap,1000", "unit_price", "not a decimal number"),
    "not finite": ("2026-12-01T00:00:00Z,NaN,1000", "unit_price", "not a decimal number"),
    "a billion digits": ("2026-12-01T00:00:00Z,1e999999999,1000", "unit_price", "not a decimal number"),
    "a billion decimals": ("2026-12-01T00:00:00Z,0e-999999999,1000", "unit_price", "not a decimal number"),
    "an underscore": ("2026-12-01T00:00:00Z,1_000,1000", "unit_price", "not a decimal number"),
    "full-width digits": ("2026-12-01T00:00:00Z,０.１,1000", "unit_price", "not a decimal number"),
    "spaces": ("2026-12-01T00:00:00Z, 0.1 ,1000", "unit_price", "not a decimal number"),
    "a line break": ('2026-12-01T00:00:00Z,"0.1\n",1000', "unit_price", "not a decimal number"),
    "a plus": ("2026-12-01T00:00:00Z,+0.1,1000", "unit_price", "not a decimal number"),
    "no digit before the point": ("2026-12-01T00:00:00Z,.1,1000", "unit_price", "not a decimal number"),
    "very many digits": (f"2026-12-01T00:00:00Z,{'9' * 32},1000", "unit_price", "Give at most 30 digits"),
    "not whole": ("2026-12-01T00:00:00Z,0.1,0.5", "unit_size", "not a whole number"),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "column", "text"), CELLS.values(), ids=CELLS)
def test_a_cell_that_says_nothing_its_column_can_hold_is_a_problem(cells, column, text):
    head = "sheet,service,measure,kind,begins_at,unit_price,unit_size"

    (problem,) = said(table(head, f"prices,SenseChat,input_tokens,list_price,{cells}"))

    assert (problem[:3], text in problem[3]) == (("prices", 2, column), True), problem


PACKAGE_CELLS = {
    "no method": ("postpaid,S,1,day,5,2026-12-01T00:00:00Z", "method", "none of tpm_package, tokens_package"),
    "no unit": ("tpm_package,S,1,year,5,2026-12-01T00:00:00Z", "validity_unit", "none of day, month"),
    "no instant": ("tpm_package,S,1,day,5,now", "begins_at", "is not an instant"),
    "no list of names": ('tpm_package,"""S"" x",1,day,5,at once', "services", "no list of names"),
    "a name twice": ('tpm_package,"S, T, S",1,day,5,at once', "services", "'S' is given twice"),
    "no weight": ("tpm_package,S,1,day,5,at once,S/output_tokens", "weights", "is no weight such as"),
    "no measure": ("tpm_package,S,1,day,5,at once,S/tokens: 2", "weights", "'tokens' is none of"),
    "no number": ("tpm_package,S,1,day,5,at once,S/output_tokens: two", "weights", "not a decimal number"),
    "a weight twice": (
        'tpm_package,S,1,day,5,at once,"S/output_tokens: 1, S/output_tokens: 2"',
        "weights",
        "'S/output_tokens' is given twice",
    ),
}


@pytest.mark.parametrize(("cells", "column", "text"), PACKAGE_CELLS.values(), ids=PACKAGE_CELLS)
def test_a_cell_of_a_package_product_that_says_nothing_is_a_problem(cells, column, text):
    head = "sheet,product,method,services,validity,validity_unit,list_price,begins_at,weights"

    (problem,) = said(table(head, f"package products,SenseChat-5 10M,{cells}"))

    assert (problem[:3], text in problem[3]) == (("package products", 2, column), True), problem


def zipped(**parts):
    """A zip file with these parts; names have dashes for what Python's cannot have."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return written.getvalue()


def with_part(name, content):
    """A workbook of ours with one part replaced."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx_file([GROUP]))) as whole, zipfile.ZipFile(written, "w") as archive:
        for part in whole.namelist():
            archive.writestr(part, content if part == name else whole.read(part))
    return written.getvalue()


PARTS = [
    "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
    "xl/worksheets/sheet1.xml",
]
ENTITIES = (
    '<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa">]>'
    '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&a;</t></si></sst>'
)
FAR = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="999999999999"><c t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>'
)
BAD = {
    "nothing": (b"", "states nothing"),
    "a head only": (csv_file([]), "states nothing"),
    "an empty workbook": (xlsx_file([]), "states nothing"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "neither a workbook (.xlsx) nor text in UTF-8 (line 1)"),
    "GBK": ("sheet,name\naliases,商汤".encode("gbk"), "nor text in UTF-8 (line 2). Save it as 'CSV UTF-8'"),
    "UTF-16": ("sheet,name".encode("utf-16"), "nor text in UTF-8"),
    "UTF-16 without a mark": ("sheet,name".encode("utf-16-le"), "null characters"),
    "an open quote": (b'sheet,name\naliases,"x', "unexpected end of data"),
    "half a workbook": (xlsx_file([GROUP])[:-200], "damaged, or no Excel workbook"),
    "any zip": (zipped(a="b"), "damaged, or no Excel workbook"),
    "a bomb": (zipped(a=b"0" * 40_000_000), "Unpacked it is larger than 32 MB"),
    "very many parts": (zipped(**{f"p{n}": "" for n in range(1001)}), "Unpacked it is larger"),
    "entities": (with_part("xl/sharedStrings.xml", ENTITIES), "damaged, or no Excel workbook"),
    "a billion lines": (with_part("xl/worksheets/sheet1.xml", FAR), "more than 100,000 lines"),
    "no texts": (with_part("xl/sharedStrings.xml", "<sst/>"), "damaged, or no Excel workbook"),
    "too large": (b"," * (MAX_BYTES + 1), "larger than 5 MB"),
    "too many rows": (b"sheet,alias,service\n" + b"aliases,a,b\n" * (MAX_ROWS + 1), "more than 10,000 rows"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD)
def test_what_is_no_catalogue_is_refused_as_a_whole(data, text):
    with pytest.raises(BadFile) as refused:
        read(data, "prices.xlsx")

    assert text in str(refused.value)
    assert str(refused.value).startswith("prices.xlsx ")


@pytest.mark.filterwarnings("ignore::UserWarning")  # the reader's own, of what it leaves out
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_workbook_is_read_or_refused_but_breaks_nothing(data):
    name = data.draw(st.sampled_from(PARTS))
    with zipfile.ZipFile(io.BytesIO(xlsx_file([GROUP]))) as whole:
        part = whole.read(name)
    start = data.draw(st.integers(0, len(part)))
    damaged = part[:start] + data.draw(st.binary(max_size=3)) + part[start + data.draw(st.integers(0, 12)) :]

    with suppress(BadFile):
        read(with_part(name, damaged))


def test_a_sheet_that_says_wrongly_how_large_it_is_is_read_whole():
    with zipfile.ZipFile(io.BytesIO(xlsx_file([GROUP]))) as whole:
        part = whole.read("xl/worksheets/sheet1.xml").decode()
    assert '<dimension ref="A1:D2"/>' in part

    lying = with_part("xl/worksheets/sheet1.xml", part.replace('ref="A1:D2"', 'ref="A1"'))

    assert rows(lying) == [GROUP]
