"""The functions of the database: where a migration's file defines them, and which of them are in force."""

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

_FUNCTION = re.compile(r"^CREATE (?:OR REPLACE )?(FUNCTION \w+\(.*?\$\$(.*?)\$\$;)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Function:
    """A function in a file of SQL."""

    text: str
    body: str
    span: tuple[int, int]  # of the body


def is_statement(path: Path) -> bool:
    """Whether a file of SQL is a statement, or a part of one, that a module runs; not a migration."""
    return path.suffix == ".sql" and "migrations" not in path.parts


def functions_of(sql: str) -> list[Function]:
    """Return the functions that a file of SQL defines."""
    return [Function(found.group(1), found.group(2), found.span(2)) for found in _FUNCTION.finditer(sql)]


def bodies_in_force(database: str) -> set[str]:
    """Return the bodies of the functions that a migrated database has."""
    with psycopg.connect(database) as connection:
        return {body for (body,) in connection.execute("SELECT prosrc FROM pg_proc WHERE prosrc <> ''")}


def replace_function(database: str, *, before: str, after: str) -> bool:
    """Replace the function in which two files of SQL differ; False if PostgreSQL does not take it."""
    unchanged = {function.text for function in functions_of(before)}
    (changed,) = (function for function in functions_of(after) if function.text not in unchanged)
    try:
        with psycopg.connect(database) as connection:
            connection.execute(f"CREATE OR REPLACE {changed.text}".encode())
    except psycopg.ProgrammingError:
        return False
    return True
