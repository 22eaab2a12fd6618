"""A mutant: one file with one edit, named by the line that changes."""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Edit:
    """Characters [start, end) of a file are replaced with another text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Mutant:
    """A file with a fault; the name is the same for as long as the line is."""

    path: str
    before: str
    after: str
    name: str
    is_chosen: bool


def mutants_of(path: str, source: str, chosen: Iterable[Edit], *, generated: Iterable[Edit]) -> list[Mutant]:
    """Return a mutant for each edit that changes the code, the chosen ones first."""
    known = {_code(path, source)}
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    for is_chosen, edits in ((True, chosen), (False, generated)):
        for edit in sorted(set(edits)):
            after = source[: edit.start] + edit.text + source[edit.end :]
            code = _code(path, after)
            if code is None or code in known:
                continue
            known.add(code)
            name = f"{path}: {_line(source, edit.start, edit.end)} -> {_line(after, edit.start, _end(edit))}"
            names[name] += 1
            if names[name] > 1:
                name = f"{name} ({names[name]})"
            found.append(Mutant(path, source, after, name, is_chosen))
    return found


def _code(path: str, text: str) -> str | None:
    """Return what is the same for texts that are the same code; None for a module that Python cannot read."""
    if not path.endswith(".py"):
        return text
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def _end(edit: Edit) -> int:
    return edit.start + len(edit.text)


def _line(text: str, start: int, end: int) -> str:
    """Return the whole lines around a span as one line."""
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", max(end - 1, start))
    return re.sub(r"\s+", " ", text[begin : stop if stop != -1 else len(text)]).strip()
