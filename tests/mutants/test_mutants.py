"""Where faults are put, and that they are the same and have the same names each time."""

from pathlib import Path

import pytest
from django.db import connection

from tests.mutants.functions import functions_of
from tests.mutants.mutant import Edit, mutants_of
from tests.mutants.python_edits import python_edits, sql_spans
from tests.mutants.survivors import harmless
from tests.mutants.targets import TESTS, paths_of
from tests.mutants.text_edits import lua_edits, sql_edits

ROOT = Path(__file__).parents[2]


def faults(source):
    """The lines that Python code becomes."""
    made = mutants_of("a.py", source, [], generated=python_edits(source))
    return [mutant.after.strip() for mutant in made]


def sql_faults(text):
    edits = sorted(sql_edits(text, [(0, len(text))]))
    return [text[: edit.start] + edit.text + text[edit.end :] for edit in edits]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("a <= b", "a < b"),
        ("a is not None", "a is None"),
        ("x = a + b", "x = a - b"),
        ("x = a and not b", "x = (not b)"),
        ("x = a and not b", "x = a and (b)"),
        ("x = [a for a in b if c]", "x = [a for a in b if True]"),
        ("x = 60", "x = 61"),
        ("x = True", "x = False"),
        ("x = q.filter(a=1, b=2)", "x = q.filter(b=2)"),
        ("x = q.exclude(a=1)", "x = q"),
        ("x = abs(b)", "x = +(b)"),
        ("x = b if c else d", "x = (d)"),
        ("lock(hour)", "pass"),
        ("x = price.begins_at", "x = price.ends_at"),
        ("für = a <= b", "für = a < b"),
    ],
)
def test_a_fault_is_put_into_python(source, fault):
    assert fault in faults(source)


@pytest.mark.parametrize(
    "source",
    ['raise ValueError("not 1")', 'x = f"{a + 1}"', "x: dict[int, str]", 'logger.info("a")', '"""Of 60."""'],
)
def test_messages_annotations_and_docstrings_are_left_alone(source):
    assert faults(source) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("WHERE a < b", "WHERE a <= b"),
        ("WHERE a = 1 AND b = c", "WHERE a = 1 "),
        ("IF a AND b THEN\n", "IF a  THEN\n"),
        ("WHERE a = %s AND b = c", "WHERE %s::text IS NOT NULL AND b = c"),
        ("SELECT sum(a)", "SELECT max(a)"),
        ("LEFT JOIN a", "JOIN a"),
        ("ORDER BY a DESC", "ORDER BY a"),
        ("    PERFORM lock(a);", "    NULL;"),
        ("LIMIT 60", "LIMIT 61"),
    ],
)
def test_a_fault_is_put_into_sql(text, fault):
    assert fault in sql_faults(text)


def test_comments_and_quoted_texts_are_left_alone():
    assert sql_faults("-- a < 60\nSELECT 'a < 60'") == []
    assert lua_edits("-- a < 60\nlocal a = 'b < 60'") == []


def test_sql_is_found_in_python_and_messages_are_not():
    source = 'A = f"""SELECT {b} FROM c"""\nD = "No rows."\n'

    assert [source[start:end] for start, end in sql_spans(source)] == ['f"""SELECT {b} FROM c"""']


def test_mutants_have_the_same_names_each_time_and_no_two_the_same():
    source = (ROOT / "invoices" / "portal" / "views.py").read_text(encoding="utf-8")
    first, again = (
        mutants_of("invoices/portal/views.py", source, [], generated=python_edits(source)) for _ in range(2)
    )

    assert first == again
    assert (
        len({mutant.name for mutant in first}) == len({mutant.after for mutant in first}) == len(first) > 20
    )


def test_the_line_of_a_fault_names_it():
    (mutant,) = mutants_of("a.lua", "x\n  a <  b\ny\n", [Edit(6, 7, ">")], generated=[])

    assert mutant.name == "a.lua: a < b -> a > b"


@pytest.mark.django_db
def test_functions_are_read_from_migrations_as_the_database_has_them():
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname IN ('hold_hours_open', 'settle_calls')")
        in_force = {body for (body,) in cursor.fetchall()}

    texts = [path.read_text() for path in (ROOT / "usage" / "migrations").glob("*.sql")]
    found = {function.body for text in texts for function in functions_of(text)}

    assert len(in_force) == 2
    assert in_force <= found


def test_every_target_and_every_test_is_there():
    assert all(any(Path(path).match(pattern) for path in paths_of(ROOT)) for pattern in TESTS)
    assert [test for tests in TESTS.values() for test in tests if not (ROOT / test).exists()] == []


def test_a_page_says_which_faults_are_harmless(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("### `a.py`\n\nText.\n\n- `x = 1 -> x = 2`: it is never read.\n")

    assert harmless(page) == {"a.py: x = 1 -> x = 2": "it is never read."}
