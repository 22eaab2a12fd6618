"""No float on any path to money: the sources of the domain are read, and one float fails a test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# They wait, or measure how long something took; the floats there are seconds.
SECONDS = {
    ROOT / "usage" / name
    for name in ("replay/client.py", "replay/trace.py", "refused/log.py", "limits/stores/clock.py")
}
SECONDS |= {ROOT / "usage/distribution" / name for name in ("commits.py", "distribute.py")}
SECONDS.add(ROOT / "accounts" / "webhooks" / "request.py")
# Its one float type keeps the characters of a client's JSON number, and instants are read from those; its
# quantities are whole numbers, so a fraction among them is refused.
KEEPS_CHARACTERS = {ROOT / "usage" / "clients" / "parsing.py"}
SOURCES = sorted(
    path
    for app in ("accounts", "pricing", "usage", "invoices")
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts and path not in SECONDS | KEEPS_CHARACTERS
) + sorted((ROOT / "examples").rglob("*.py"))

STATEMENTS = sorted(
    path
    for app in ("accounts", "pricing", "usage", "invoices")
    for path in (ROOT / app).rglob("*.sql")
    if "migrations" not in path.parts
)


def floats(source):
    """The lines of this source in which a float is written, made or stored, with what is wrong."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield node.lineno, f"the number {node.value!r}"
            case ast.Name(id="float" | "FloatField" | "FLOAT"):
                yield node.lineno, node.id
            case ast.Attribute(attr="FloatField" | "fsum" | "float64"):
                yield node.lineno, node.attr
            case ast.Constant(value=str(text)) if has_float(text):
                yield node.lineno, "a float in SQL"


def has_float(sql):
    """Whether a text in SQL names a float's type."""
    return "::float" in sql.lower() or "double precision" in sql.lower()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_is_near_money(path):
    source = path.read_text(encoding="utf-8")

    found = [*floats(source)]

    assert found == []


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_is_in_a_statement(path):
    assert not has_float(path.read_text(encoding="utf-8"))


WRONG = {
    "a literal": "price = 0.04",
    "an exponent": "bound = 1e9",
    "a call": "float(amount)",
    "an annotation": "def pay(amount: float) -> None: ...",
    "a field": "amount = models.FloatField()",
    "an imported field": "from django.db.models import FloatField\namount = FloatField()",
    "a cast in SQL": "cursor.execute('SELECT amount::float8')",
    "a type in SQL": "cursor.execute('SELECT cast(amount AS double precision)')",
    "a sum": "math.fsum(amounts)",
}


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_the_guard_finds(source):
    found = [*floats(source)]

    assert found


def test_the_guard_reads_the_sources_of_all_four_apps():
    names = {str(path.relative_to(ROOT)) for path in SOURCES}

    assert {
        "accounts/api_keys/keys.py",
        "pricing/models.py",
        "usage/ingest/record.py",
        "invoices/rating/usage_sql.py",
    } <= names
