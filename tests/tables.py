"""Reads the worked tables of the documentation, so that tests can run them."""

from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def table(page: str, *columns: str) -> list[tuple[str, ...]]:
    """Return the rows of the page's one table whose first columns have these headings."""
    lines = iter((DOCS / page).read_text(encoding="utf-8").splitlines())
    for line in lines:
        if _cells(line)[: len(columns)] == columns:
            break
    else:
        raise LookupError(f"{page} has no table that begins with {columns}.")
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(_cells(line)[: len(columns)])
    return rows


def code(cell: str) -> str:
    """Return the text in a cell's code span, with its escapes resolved."""
    span = cell.strip()
    if not (span.startswith("`") and span.endswith("`") and len(span) >= 2):
        raise ValueError(f"{cell!r} is not a code span.")
    return span[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))
