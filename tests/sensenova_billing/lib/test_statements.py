"""SQL is read from the file beside a module, and its parts are filled in."""

import pytest

from sensenova_billing.lib.database.statements import load_statement, load_template


@pytest.fixture
def beside(tmp_path):
    """A module's path, beside which a file of this text is written."""

    def write(text):
        (tmp_path / "sum_usage.sql").write_text(text, encoding="utf-8")
        return str(tmp_path / "module.py")

    return write


def test_parts_are_filled_in_and_values_are_left_to_psycopg(beside):
    module = beside("SELECT $sums FROM usage WHERE hour = %(hour)s\n")

    assert (
        load_statement("sum_usage.sql", beside=module, sums="sum(tokens)")
        == "SELECT sum(tokens) FROM usage WHERE hour = %(hour)s"
    )


def test_a_part_that_is_missing_is_an_error(beside):
    module = beside("SELECT $sums FROM usage")

    with pytest.raises(KeyError, match="sums"):
        load_statement("sum_usage.sql", beside=module)


def test_comments_are_left_out_and_may_hold_anything(beside):
    module = beside("-- 5 % of $all, isn't it\nSELECT 1\n  -- and\n     + 2 -- two\n")

    assert load_statement("sum_usage.sql", beside=module) == "SELECT 1\n     + 2 -- two"


def test_parts_may_stay_open_until_a_statement_is_run(beside):
    module = beside("SELECT '$$', $measure")

    template = load_template("sum_usage.sql", beside=module)

    assert [template.substitute(measure=measure) for measure in ("a", "b")] == [
        "SELECT '$', a",
        "SELECT '$', b",
    ]


def test_only_files_beside_the_module_are_read(beside):
    module = beside("SELECT 1")

    with pytest.raises(ValueError, match="sum_usage"):
        load_statement("../sum_usage.sql", beside=module)
