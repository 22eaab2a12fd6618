"""Reads docs/mutants.md: the faults that make no difference, each with the reason."""

import re
from pathlib import Path

_FILE = re.compile(r"### `(?P<path>[^`]+)`")
_FAULT = re.compile(r"- `(?P<name>.+? -> .*?)`: (?P<reason>.+)")


def harmless(page: Path) -> dict[str, str]:
    """Return the reason of each harmless fault, by the name of its mutant."""
    reasons, path = {}, ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if found := _FILE.fullmatch(line):
            path = found["path"]
        elif path and (found := _FAULT.fullmatch(line)):
            reasons[f"{path}: {found['name']}"] = found["reason"]
    return reasons
