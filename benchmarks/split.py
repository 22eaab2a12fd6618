"""What a batch costs inside a web process, step by step; run by `benchmarks.ingest` on the same database.

`python -m benchmarks.split SECONDS SIZE...` prints a row of Markdown for each size: microseconds a record.
"""

import json
import os
import sys
import time
from collections import defaultdict

import django
from django.db import connection, transaction
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from benchmarks.ingest import SEEDED, random_id, reports  # noqa: E402
from usage.billing_hours import lock_hours_for_ingest  # noqa: E402
from usage.ingest.payload import decode_reports  # noqa: E402
from usage.ingest.resolve import resolve  # noqa: E402
from usage.ingest.store import copy_rows  # noqa: E402

STEPS = ("decode", "check", "copy", "commit")


def split(size: int, seconds: float) -> dict[str, float]:
    """Return microseconds a record of each step, the database's share included, over some seconds."""
    took: defaultdict[str, float] = defaultdict(float)
    stored, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        body = json.dumps(reports(size, random_id)).encode()
        now = timezone.now()
        marks = [time.perf_counter()]
        decoded = decode_reports(body)
        marks.append(time.perf_counter())
        found, _ = resolve(reports=decoded, now=now)
        marks.append(time.perf_counter())
        with transaction.atomic():
            rows = list(found.values())
            copy_rows(records=rows, billing_hours=lock_hours_for_ingest({row.hour for row in rows}), now=now)
            marks.append(time.perf_counter())
        marks.append(time.perf_counter())
        for step, began, ended in zip(STEPS, marks, marks[1:], strict=False):
            took[step] += ended - began
        stored += size
    return {step: took[step] / stored * 1e6 for step in STEPS}


def main(seconds: float, sizes: list[int]) -> None:
    """Print the table."""
    SEEDED.seed("other ids than those that were sent over HTTP")
    say = sys.stdout.write
    say(f"| records a batch | {' | '.join(f'{step}, µs a record' for step in STEPS)} |\n")
    say(f"|---|{'---|' * len(STEPS)}\n")
    for size in sizes:
        took = split(size, seconds)
        say(f"| {size:,} | {' | '.join(f'{took[step]:.2f}' for step in STEPS)} |\n")
    connection.close()
    if connection.pool:  # type: ignore[attr-defined]
        connection.close_pool()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(float(sys.argv[1]), [int(size) for size in sys.argv[2:]])
