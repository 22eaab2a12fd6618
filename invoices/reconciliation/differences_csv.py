"""The CSV file of differences, written as they are found."""

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO

from invoices.reconciliation.compare import Difference
from pricing.files.csv import escaped
from pricing.rules.amounts import plain
from pricing.rules.measures import Measure


@contextmanager
def differences_file(to: IO[bytes], measures: list[Measure]) -> Iterator[Callable[[Difference], None]]:
    """Write the head, and give a function that writes a row for each difference."""
    text = TextIOWrapper(to, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text)
    sides = [f"{side}_{measure}" for measure in measures for side in ("their", "our")]
    writer.writerow(["difference", "event_id", "line", "service", "occurred_utc", "amount_rmb", *sides])
    yield lambda one: writer.writerow(_row(one, measures))
    text.detach()  # flushes, and leaves the file open


def _row(one: Difference, measures: list[Measure]) -> list[object]:
    instant = one.occurred_at and f"{one.occurred_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    amount = None if one.amount is None else plain(one.amount)
    sides = [(side or {}).get(measure) for measure in measures for side in (one.theirs, one.ours)]
    return [one.kind, escaped(one.event_id), one.line, escaped(one.service or ""), instant, amount, *sides]
