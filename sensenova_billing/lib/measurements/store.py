"""Collects what was measured in memory, and adds it to the database."""

import json
import logging
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from multiprocessing.util import Finalize

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.measurements.metrics import Metric

SECONDS_BETWEEN_WRITES = 5

logger = logging.getLogger(__name__)
_ADD = load_statement("add.sql", beside=__file__)
_Series = tuple[Metric, tuple[str, ...]]


@dataclass
class _Measured:
    """How many values are in each bucket, the last of which has no bound, and their sum."""

    buckets: list[int]
    total: float = 0.0

    def add(self, other: "_Measured") -> None:
        self.buckets = [ours + theirs for ours, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total


_waiting: dict[_Series, _Measured] = {}
_changing = threading.Lock()
_writing = threading.Lock()


def observe(metric: Metric, value: float, *labels: str) -> None:
    """Count a value, in the unit of the metric's name; never waits for the database."""
    bucket = bisect_left(metric.bounds, value)
    with _changing:
        measured = _waiting.get((metric, labels))
        if measured is None:
            measured = _waiting[metric, labels] = _Measured([0] * (len(metric.bounds) + 1))
        measured.buckets[bucket] += 1
        measured.total += value


def count(metric: Metric, *labels: str) -> None:
    """Count one event of a metric without bounds."""
    observe(metric, 1, *labels)


def write_measurements() -> None:
    """Add what was measured to the database, or keep it in memory while that is unavailable."""
    with _writing:
        with _changing:
            measured = dict(_waiting)
            _waiting.clear()
        try:
            if measured:
                _add_to_database(measured)
        except (OperationalError, InterfaceError):
            _put_back(measured)
        except DatabaseError:
            logger.exception("Measurements were not stored")


def start_writing() -> None:
    """Let a thread write every few seconds from now on, and the process once more when it stops."""
    Finalize(None, write_measurements, exitpriority=10)
    threading.Thread(target=_write_again_and_again, name="measurements", daemon=True).start()


def _write_again_and_again() -> None:
    while True:
        time.sleep(SECONDS_BETWEEN_WRITES)
        write_measurements()
        connection.close()


def _put_back(measured: dict[_Series, _Measured]) -> None:
    with _changing:
        for series, values in measured.items():
            if series in _waiting:
                _waiting[series].add(values)
            else:
                _waiting[series] = values


@transaction.atomic
def _add_to_database(measured: dict[_Series, _Measured]) -> None:
    rows = [
        {"metric": metric, "labels": labels, "buckets": values.buckets, "total": values.total}
        for (metric, labels), values in measured.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [json.dumps(rows)])
