"""All mutants there are, in an order that is the same each time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.chosen import CHOSEN, Chosen
from tests.mutants.functions import functions_of, is_statement
from tests.mutants.mutant import Edit, Mutant, mutants_of
from tests.mutants.python_edits import python_edits, sql_spans
from tests.mutants.targets import TESTS, paths_of
from tests.mutants.text_edits import lua_edits, sql_edits


@dataclass(frozen=True)
class _Source:
    """A file, and where its SQL lies: all of a statement, of a migration the functions that are in force."""

    text: str
    sql: list[tuple[int, int]]


def mutants_in(root: Path, *, in_force: set[str]) -> tuple[list[Mutant], list[str]]:
    """Return the mutants of the tree, and which of the chosen ones are stale."""
    sources = {path: _read(root / path, in_force) for path in paths_of(root)}
    chosen: dict[str, list[Edit]] = {path: [] for path in sources}
    stale = []
    for fault in CHOSEN:
        places = list(_places(fault, sources))
        if len(places) == 1:
            path, start = places[0]
            chosen[path].append(Edit(start, start + len(fault.text), fault.replacement))
        else:
            stale.append(f"{fault.pattern}: occurs {len(places)} times: {fault.text!r}")
    mutants = []
    for path, source in sources.items():
        mutants += mutants_of(path, source.text, chosen[path], generated=_generated(path, source))
    return mutants, stale


def _read(path: Path, in_force: set[str]) -> _Source:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _Source(text, list(sql_spans(text)))
    if is_statement(path):
        return _Source(text, [(0, len(text))])
    return _Source(text, [function.span for function in functions_of(text) if function.body in in_force])


def _places(fault: Chosen, sources: Mapping[str, _Source]) -> Iterator[tuple[str, int]]:
    for path, source in sources.items():
        if not Path(path).match(fault.pattern):
            continue
        for start, end in source.sql if path.endswith(".sql") else [(0, len(source.text))]:
            place = source.text.find(fault.text, start, end)
            while place != -1:
                yield path, place
                place = source.text.find(fault.text, place + 1, end)


def _generated(path: str, source: _Source) -> list[Edit]:
    if path.endswith(".lua"):
        return lua_edits(source.text)
    edits = sql_edits(source.text, source.sql)
    return [*edits, *python_edits(source.text)] if path.endswith(".py") else edits


def tests_of(path: str) -> tuple[str, ...]:
    """Return the tests that have to see a fault in this file."""
    return next(tests for pattern, tests in TESTS.items() if Path(path).match(pattern))
