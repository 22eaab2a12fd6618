"""Files of Chinese and European banks are read as they are meant; what cannot be is refused."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.bank_import.bank_file import MAX_LINES, BankFileRefused, read_bank_file
from invoices.bank_import.cells import read_amount, read_date
from invoices.bank_import.columns import Role
from invoices.bank_import.rows import guess_layout, read_bank_rows
from tests.invoices.bank_import.files import CHINESE, ENGLISH, GERMAN

TODAY = dt.date(2026, 11, 30)


def rows_of(data, **options):
    table = read_bank_file(data=data, **options)
    return read_bank_rows(table, guess_layout(table), today=TODAY)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_german_file_is_read_in_each_of_its_encodings(encoding):
    first, rent, euro = rows_of(GERMAN.encode(encoding))

    assert (first.line, first.date, first.amount) == (5, dt.date(2026, 11, 4), Decimal("1234.50"))
    assert (first.payer, first.reference) == ("Globex GmbH", "REF-1")
    assert (rent.amount, rent.payer) == (-80, "Büroservice Müller")
    assert not euro.is_in_our_currency


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig"])
def test_a_chinese_file_has_credits_and_debits_and_ends_with_sums(encoding):
    paid, sent, small, total = rows_of(CHINESE.encode(encoding))

    assert (paid.amount, paid.payer, paid.reference) == (Decimal("12345.60"), "顶点（上海）有限公司", "90001")
    assert sent.amount == -500
    assert (small.amount, small.text) == (88, "支付acme账单 转账")
    assert total.problem == "'合计' is no date."


def test_a_cell_that_cannot_be_read_is_a_problem_of_its_line():
    assert [(row.line, row.problem) for row in rows_of(ENGLISH.encode()) if row.problem] == [
        (3, "'£' is no amount to the fen.")
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"PK\x03\x04", "It is a workbook."),
        (b"date\n2026-11-03\n", "no two columns"),
        (b"date,amount\n", "Below the head in line 1 is nothing."),
        (b"date,amount\n" + b"2026-11-03,1\n" * (MAX_LINES + 1), "more than 800 lines"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MB"),
        (b"date,amount\n2026-11-03,1\0\n", "no CSV file"),
        (b'date,amount,text\n2026-11-03,1,"a\n2026-11-03,2,b\n', "Before the end of line 3 a quotation mark"),
    ],
)
def test_what_is_no_file_of_a_bank_is_refused(data, problem):
    with pytest.raises(BankFileRefused, match=problem):
        read_bank_file(data=data)


@pytest.mark.parametrize(
    "text",
    ["2026-11-03", "2026/11/3", "20261103", "2026年11月3日", "03.11.2026", "03.11.26", "2026-11-03 09:00"],
)
def test_dates_are_read_in_each_way_of_writing(text):
    assert read_date(text) == dt.date(2026, 11, 3)


def test_a_date_with_strokes_has_the_day_first_unless_the_file_shows_otherwise():
    head = "date,amount\n"

    (first,) = rows_of(f"{head}03/11/2026,1\n".encode())
    other, _ = rows_of(f"{head}03/11/2026,1\n11/23/2026,1\n".encode())
    assert (first.date, other.date) == (dt.date(2026, 11, 3), dt.date(2026, 3, 11))


@given(st.integers(-(10**11), 10**11), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]))
def test_an_amount_is_read_as_it_is_written_whatever_separates_it(fen, signs):
    thousands, decimal_sign = signs
    amount = Decimal(fen) / 100
    text = f"{amount:,.2f}".replace(",", "t").replace(".", decimal_sign).replace("t", thousands)

    assert read_amount(text, decimal_sign=decimal_sign) == amount


@pytest.mark.parametrize("text", ["1,23", "1.005", "1e3", "1,234,5", "--", "", "NaN", "1.2.3", "٣"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="^" + text.replace(".", r"\.")):
        read_amount(text, decimal_sign=".")


def test_an_amount_without_a_date_is_not_left_out_in_silence():
    (first, second) = rows_of(b"date,amount,text\n2026-11-03,1,a\n,2,b\n,,printed 2026\n")

    assert (first.problem, second.line, second.problem) == ("", 3, "It has no date.")


def test_a_column_says_whether_money_came_or_went():
    lines = "日期,借贷标志,金额\n20261103,贷,5\n20261103,借,5\n20261103,?,5\n"

    came, went, neither = rows_of(lines.encode())
    assert (came.amount, went.amount) == (5, -5)
    assert neither.problem == "'?' says neither that it came in nor that it went out."


def test_headings_in_brackets_and_with_units_are_recognised():
    table = read_bank_file(
        data="记账日期,贷方发生额/元(收入),借方发生额/元(支取),对方户名\n1,2,3,4\n".encode()
    )

    assert guess_layout(table).columns == {Role.DATE: 0, Role.CREDIT: 1, Role.DEBIT: 2, Role.PAYER: 3}
