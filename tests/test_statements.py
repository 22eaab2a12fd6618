"""SQL has a home: statements lie in `.sql` files beside the modules that run them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "pricing", "usage", "invoices", "sensenova_billing")
LOADERS = ("load_statement", "load_template")
MOST_LINES = 4  # of a statement in a module
_STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")


def files(pattern):
    """The files of the product, without migrations."""
    found = [path for app in APPS for path in (ROOT / app).rglob(pattern)]
    return [path for path in found if "migrations" not in path.parts]


MODULES = files("*.py")
# Those in a folder `sql` are functions of the database: test_database_functions.py.
STATEMENTS = {path for path in files("*.sql") if path.parent.name != "sql"}


def loaded_by(module):
    """The files that a module reads."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=function), args=[ast.Constant(value=name)]) if function in LOADERS:
                yield module.with_name(name)


def texts_in(source):
    """The strings of a module without its docstrings, each with its line; f-strings as one text."""
    nodes = list(ast.walk(ast.parse(source)))
    passed_over = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        match node:
            case ast.JoinedStr(values=parts):
                passed_over |= set(map(id, parts))
                yield node.lineno, "".join(getattr(part, "value", "") for part in parts if is_text(part))
            case ast.Constant() if is_text(node) and id(node) not in passed_over:
                yield node.lineno, node.value


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def long_statements(source):
    """The lines at which a statement begins that should have a file."""
    for line, text in texts_in(source):
        if sum(map(bool, map(str.strip, text.splitlines()))) > MOST_LINES and _STATEMENT.search(text):
            yield line


def test_each_file_is_read_by_a_module_beside_it_and_each_file_that_is_read_is_there():
    assert {path for module in MODULES for path in loaded_by(module)} == STATEMENTS
    assert STATEMENTS


def test_no_module_holds_a_long_statement():
    found = {module: [*long_statements(module.read_text(encoding="utf-8"))] for module in MODULES}

    assert {module: lines for module, lines in found.items() if lines} == {}


@pytest.mark.parametrize("mark", ["", "f"])
def test_a_long_statement_is_seen(mark):
    short = mark + '"""\nSELECT a,\n  b\n FROM c\n WHERE d = {d}\n"""\n'
    long = short.replace("WHERE", "WHERE e\n AND")

    assert [*long_statements(f"X = {short}")] == []
    assert [*long_statements(f"X = {long}")] == [1]


def test_the_price_in_force_and_a_service_by_name_or_alias_are_each_said_once():
    texts = {path: path.read_text(encoding="utf-8") for path in (*MODULES, *STATEMENTS)}

    def files_with(pattern):
        return [path.name for path, text in texts.items() if re.search(pattern, text)]

    assert files_with(r"(FROM|JOIN) pricing_servicealias\b") == ["service_by_name.sql"]
    assert files_with(r"\bCASE (\w+\.)?kind\b") == ["price_in_force.sql"]
