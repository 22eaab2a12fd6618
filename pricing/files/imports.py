"""Importing a catalogue file: what it would do, line by line, and doing it."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from pricing.changes.apply import WRITTEN, Change, PlanRefused, State, Tried, planned
from pricing.changes.approval import submit_rows
from pricing.changes.rows import cells_of
from pricing.files.formats import Reading
from pricing.models import Proposal


@dataclass(frozen=True)
class Refusal:
    """What is refused, where in the file, and why."""

    sheet: str
    line: int
    what: str
    reason: str


@dataclass(frozen=True)
class Preview:
    """What an import would do: the changes with their lines, and what is refused."""

    changes: list[tuple[int, Change]]
    refusals: list[Refusal]
    counts: dict[State, int]
    fingerprint: str

    @property
    def is_applicable(self) -> bool:
        """Whether nothing is refused and something would change."""
        return not self.refusals and any(self.counts[state] for state in WRITTEN)


def preview_import(*, reading: Reading, now: dt.datetime) -> Preview:
    """Return what importing this would do, and change nothing."""
    with planned(rows=[stated.row for stated in reading.stated], now=now) as tried:
        return _preview(reading, tried)


def import_rows(
    *, name: str, reading: Reading, seen: str, by: str, reason: str, now: dt.datetime
) -> Proposal | None:
    """Change the catalogue by what was read, or propose it, as the preview with this fingerprint showed it.

    Raises PlanRefused, or CatalogueMoved where it would do something else by now.
    """
    if reading.problems:
        raise PlanRefused([])
    rows = [stated.row for stated in reading.stated]
    deed = f"Import of {name}"[: Proposal._meta.get_field("deed").max_length]
    return submit_rows(deed=deed, rows=rows, seen=seen, by=by, reason=reason, now=now)


def _preview(reading: Reading, tried: Tried) -> Preview:
    changes = tried.changes
    lines = [stated.line for stated in reading.stated]
    unreadable = [Refusal(one.sheet, one.line, one.column, one.text) for one in reading.problems]
    refused = [
        Refusal(change.row.sheet, line, row_name(change), change.reason)
        for line, change in zip(lines, changes, strict=True)
        if change.state == State.REFUSED
    ]
    counts = Counter(change.state for change in changes)
    counts[State.REFUSED] = len(unreadable) + len(refused)
    return Preview(
        changes=[*zip(lines, changes, strict=True)],
        refusals=unreadable + refused,
        counts={state: counts[state] for state in State},
        fingerprint=tried.fingerprint,
    )


def row_name(change: Change) -> str:
    """Return which row this is, e.g. `SenseChat, input_tokens, list_price, 2026-12-01T00:00:00Z`."""
    cells = cells_of(change.row)
    return ", ".join(cells[name] for name in change.row.names if cells[name])
