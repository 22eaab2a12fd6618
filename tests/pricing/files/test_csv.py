"""What is written to a CSV file is no formula, and is read back as it was."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.files.csv import escaped, unescaped, write_csv

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "\u200b=1"]
FORMULAS += ["＝1+1", "＋1", "－1", "＠a", "\u22121", "\tx", "\rx", "\x01=1"]
risky = st.text(st.sampled_from("'=+-@＝＋－＠ \t\r\n\ufeffa1"), max_size=6)


def written(*rows):
    file = io.BytesIO()
    write_csv(to=file, head=["cell"], rows=rows)
    return file.getvalue()


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_has_an_apostrophe_in_front(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "call-1", "'", "''", "'quoted'", "a=1", "1+1", " spaced ", "Zürich 通话"]
)
def test_other_text_is_as_it_was(text):
    assert escaped(text) == text


def test_an_apostrophe_before_a_formula_is_told_from_ours():
    assert [escaped("=1+1"), escaped("'=1+1"), escaped("''=1+1")] == ["'=1+1", "''=1+1", "'''=1+1"]


@given(one=risky, other=risky)
def test_different_texts_are_different_cells_and_are_read_back(one, other):
    assert unescaped(escaped(one)) == one
    assert (escaped(one) == escaped(other)) == (one == other)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_comes_back_from_a_file(text):
    lines = list(csv.reader(io.StringIO(written([text, 1]).decode("utf-8-sig"), newline="")))

    assert unescaped(lines[1][0]) == text


def test_numbers_are_plain_decimals_and_a_minus_is_no_formula():
    assert written([Decimal("-1234.50000"), -7, Decimal("1E+3"), None]) == (
        b"\xef\xbb\xbfcell\r\n-1234.5,-7,1000,\r\n"
    )
