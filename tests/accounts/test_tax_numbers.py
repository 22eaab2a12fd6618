"""Tax numbers are written as documents have them, and those that no country can have given are refused."""

import pytest

from accounts.tax_numbers import TaxNumberRefused, checked_tax_number, has_rules


@pytest.mark.parametrize(
    ("country", "number", "written"),
    [
        ("CN", "91110000600037341L", "91110000600037341L"),
        ("CN", " 9111 0000 6000 3734 1l ", "91110000600037341L"),
        ("CN", "９１１１００００６０００３７３４１Ｌ", "91110000600037341L"),
        ("DE", "136 695 976", "DE136695976"),
        ("DE", "de136695976", "DE136695976"),
        ("GR", "094259216", "EL094259216"),
        ("GR", "GR094259216", "EL094259216"),
        ("GB", "980 780 684", "GB980780684"),
        ("CH", "CHE-107.787.577 IVA", "CHE107787577IVA"),
        ("US", "91-1144442", "91-1144442"),
    ],
)
def test_a_number_is_written_as_on_documents(country, number, written):
    assert checked_tax_number(country=country, number=number) == written


@pytest.mark.parametrize(
    ("country", "number", "words"),
    [
        ("CN", "91110000600037341M", "check digit"),
        ("CN", "9111000060003734", "too short or too long"),
        ("CN", "I1110000600037341L", "no tax number of CN"),
        ("DE", "DE136695977", "check digit"),
        ("DE", "91110000600037341L", "no tax number of DE|too short or too long"),
    ],
)
def test_a_number_that_cannot_be_one_is_refused(country, number, words):
    with pytest.raises(TaxNumberRefused, match=words):
        checked_tax_number(country=country, number=number)


def test_countries_without_rules_are_known():
    assert [has_rules(country) for country in ("CN", "IN", "IS", "HK", "US")] == [
        True,
        True,
        True,
        False,
        False,
    ]
