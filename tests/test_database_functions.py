"""The present text of each of the database's functions lies in one file, beside the package that uses it.

A migration holds a frozen copy; these files hold what is in force.
"""

from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
FILES = {path.stem: path for path in ROOT.glob("*/**/sql/*.sql") if ".venv" not in path.parts}
_OWN_FUNCTIONS = """
SELECT proname, pg_get_functiondef(oid) FROM pg_proc AS function
 WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
   AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e')
"""


@pytest.fixture
def functions(db):
    """Name and text of all functions that are not an extension's."""

    def read():
        with connection.cursor() as cursor:
            cursor.execute(_OWN_FUNCTIONS)
            return dict(cursor.fetchall())

    return read


def test_each_function_has_its_file_and_each_file_its_function(functions):
    assert set(functions()) == set(FILES)
    assert FILES


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_a_function_holds_the_text_that_is_in_force(functions, name):
    in_force = functions()

    with connection.cursor() as cursor:
        cursor.execute(FILES[name].read_text(encoding="utf-8"))

    assert functions() == in_force
