"""Import of a catalogue file, with a preview line by line."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from pricing.changes.apply import WRITTEN, ChangesRefused, DryRun, RowChange, RowState, dry_run
from pricing.changes.approval import submit_rows
from pricing.changes.checks.steep import SteepChange
from pricing.changes.rows import cells_of
from pricing.files.formats import Reading
from pricing.models import Proposal
from pricing.stored_words import stored_in_words


@dataclass(frozen=True)
class RefusedLine:
    """What is refused, where in the file, and why."""

    sheet: str
    line: int
    what: str
    reason: str


@dataclass(frozen=True)
class Preview:
    """What an import would do: the changes with their lines, and what is refused."""

    changes: list[tuple[int, RowChange]]
    refusals: list[RefusedLine]
    counts: dict[RowState, int]
    fingerprint: str
    steep: list[SteepChange]

    @property
    def is_applicable(self) -> bool:
        """Whether nothing is refused and something would change."""
        return not self.refusals and any(self.counts[state] for state in WRITTEN)


def preview_import(*, reading: Reading, now: dt.datetime) -> Preview:
    """Return what importing this would do, and change nothing."""
    with dry_run(rows=[stated.row for stated in reading.stated], now=now) as outcome:
        return _preview(reading, outcome)


def import_rows(
    *,
    name: str,
    reading: Reading,
    seen: str,
    by: str,
    reason: str,
    now: dt.datetime,
    confirmed: bool = False,
) -> Proposal | None:
    """Change the catalogue by what was read, or propose it, as the preview with this fingerprint showed it.

    Raises ChangesRefused, StalePreview if the result would now be another, and Unconfirmed for steep changes
    of prices that were not `confirmed`.
    """
    if reading.problems:
        raise ChangesRefused([])
    rows = [stated.row for stated in reading.stated]
    action = f"Import of {name}"[: Proposal._meta.get_field("deed").max_length]
    return submit_rows(
        action=action, rows=rows, seen=seen, by=by, reason=reason, now=now, confirmed=confirmed
    )


def _preview(reading: Reading, outcome: DryRun) -> Preview:
    changes = outcome.changes
    lines = [stated.line for stated in reading.stated]
    unreadable = [
        RefusedLine(one.sheet, one.line, one.column, stored_in_words(one.text)) for one in reading.problems
    ]
    refused = [
        RefusedLine(change.row.sheet, line, row_name(change), change.reason)
        for line, change in zip(lines, changes, strict=True)
        if change.state == RowState.REFUSED
    ]
    counts = Counter(change.state for change in changes)
    counts[RowState.REFUSED] = len(unreadable) + len(refused)
    return Preview(
        changes=[*zip(lines, changes, strict=True)],
        refusals=unreadable + refused,
        counts={state: counts[state] for state in RowState},
        fingerprint=outcome.fingerprint,
        steep=outcome.steep,
    )


def row_name(change: RowChange) -> str:
    """Return which row this is, e.g. `SenseChat, input_tokens, list_price, 2026-12-01T00:00:00Z`."""
    cells = cells_of(change.row)
    return ", ".join(cells[name] for name in change.row.names if cells[name])
