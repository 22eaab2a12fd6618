"""Counts usage that was refused, so that it does not look like no usage.

A refused request only changes counters in memory. A thread adds them to the database, at once for the first
refusal and then at most once a second, in a transaction of its own: the number of statements does not grow
with the number of refused requests, and an accepted request pays nothing. Counters wait in memory while the
database is unavailable, and are written when the process stops; a process that is killed loses those of the
last second.
"""

import datetime as dt
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from accounts.models import Customer, ServiceKey
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import hour_of
from usage.models import RefusalReason, RefusedUsage, RefusedUsageTotal
from usage.refused.errors import UsageError
from usage.refused.log import RefusalLog

SECONDS_BETWEEN_WRITES = 1
LATEST_SHOWN = 5  # of each counter
MOST_COUNTERS = 1_000  # in memory; beyond, records are counted without their customer
LONGEST_CODE = 64

logger = logging.getLogger(__name__)
_COUNT = load_statement("count.sql", beside=__file__, last_shown=str(LATEST_SHOWN - 1))


@dataclass(frozen=True)
class RefusedRequest:
    """A refused request: its path, and its records by reason and by the customer that each names, if any."""

    key: ServiceKey | None
    path: str
    at: dt.datetime
    records: Mapping[tuple[RefusalReason, str], int]


class _Counted(NamedTuple):
    """What a counter counts; no customer is ""."""

    hour: dt.datetime
    key_id: int | None
    customer: str
    reason: RefusalReason


_RowKey = tuple[dt.datetime, int | None, int | None, RefusalReason]


@dataclass
class _Counter:
    requests: int = 0
    records: int = 0
    latest: list[tuple[dt.datetime, str, int]] = field(default_factory=list)  # newest first

    def add(self, other: "_Counter") -> None:
        self.requests += other.requests
        self.records += other.records
        self.latest = sorted([*self.latest, *other.latest], reverse=True)[:LATEST_SHOWN]


def records_of(error: Exception, *, reason: RefusalReason) -> dict[tuple[RefusalReason, str], int]:
    """Return how many records were refused with this error, by reason and customer code.

    An error without records counts as one record, for this reason. Codes are as sent, and may be unknown; ""
    stands for no code, or one that no customer can have.
    """
    if not isinstance(error, UsageError) or not error.reasons:
        return {(reason, ""): 1}
    customers = error.customers or dict.fromkeys(error.reasons)
    return Counter(
        (error.reasons.get(index, RefusalReason.REFUSED_WITH_BATCH), _code(customer))
        for index, customer in customers.items()
    )


def count_refused(request: RefusedRequest) -> None:
    """Count this request; never raises, even if the database fails."""
    REFUSALS.add(request)
    if not settings.COUNT_REFUSED_USAGE_IN_BACKGROUND:
        REFUSALS.write()


class RefusalCounters:
    """The counters of one process, and the thread that writes them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._waiting: dict[_Counted, _Counter] = {}
        self._log = RefusalLog()
        self._is_unavailable = False
        self._thread: threading.Thread | None = None

    def add(self, request: RefusedRequest) -> None:
        """Count this request in memory, to be written soon."""
        hour, key_id = hour_of(request.at), request.key.pk if request.key else None
        with self._changed:
            for (reason, customer), records in request.records.items():
                counter = _Counter(1, records, [(request.at, request.path, records)])
                self._count(_Counted(hour, key_id, customer, reason), counter)
            by_reason: Counter[RefusalReason] = Counter()
            for (reason, _), records in request.records.items():
                by_reason[reason] += records
            self._log.add(request.key, by_reason)
            if settings.COUNT_REFUSED_USAGE_IN_BACKGROUND:
                self._start()
                self._changed.notify()

    def write(self) -> None:
        """Add the counters to the database, or keep them in memory while it is unavailable."""
        with self._writing:
            with self._changed:
                waiting, self._waiting = self._waiting, {}
                self._log.write_due()
            try:
                if waiting:
                    _add_to_database(waiting)
            except (OperationalError, InterfaceError) as error:
                self._put_back(waiting, error)
            except DatabaseError:
                logger.exception("Refused usage was not counted")
            else:
                self._is_unavailable = False

    def write_all(self) -> None:
        """Write the counters and all pending lines of the log, as the process stops."""
        with self._changed:
            self._log.expedite()
        self.write()

    def _count(self, counted: _Counted, counter: _Counter) -> None:
        if len(self._waiting) >= MOST_COUNTERS and counted not in self._waiting:
            counted = counted._replace(customer="")
        self._waiting.setdefault(counted, _Counter()).add(counter)

    def _put_back(self, waiting: Mapping[_Counted, _Counter], error: Exception) -> None:
        if not self._is_unavailable:
            logger.warning("Refused usage is counted in memory while the database is unavailable: %s", error)
        self._is_unavailable = True
        with self._changed:
            for counted, counter in waiting.items():
                self._count(counted, counter)

    def _start(self) -> None:
        # Also after a fork, which does not copy threads.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="refused usage", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting), self._log.seconds_until_due())
            self.write()
            connection.close()
            time.sleep(SECONDS_BETWEEN_WRITES)


def refused_in_all() -> dict[str, int]:
    """Return how many records were ever refused, by reason."""
    totals = dict(RefusedUsageTotal.objects.values_list("reason", "records"))
    return {reason.value: totals.get(reason.value, 0) for reason in RefusalReason}


def forget_refused_usage(*, now: dt.datetime) -> int:
    """Remove counters of hours whose usage is too old to be resent; return how many."""
    removed, _ = RefusedUsage.objects.filter(hour__lt=hour_of(now - settings.USAGE_OLDEST)).delete()
    return removed


@transaction.atomic
def _add_to_database(waiting: Mapping[_Counted, _Counter]) -> None:
    ids = _customer_ids({counted.customer for counted in waiting} - {""})
    merged: dict[_RowKey, _Counter] = {}
    for (hour, key_id, customer, reason), counter in waiting.items():
        merged.setdefault((hour, key_id, ids.get(customer), reason), _Counter()).add(counter)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"refused": json.dumps([_as_json(*one) for one in merged.items()])})


def _as_json(row: _RowKey, counter: _Counter) -> dict[str, Any]:
    hour, key_id, customer_id, reason = row
    return {
        "hour": hour.isoformat(),
        "key_id": key_id,
        "customer_id": customer_id,
        "reason": reason,
        "requests": counter.requests,
        "records": counter.records,
        "last_at": counter.latest[0][0].isoformat(),
        "latest": [
            {"at": at.isoformat(), "path": path, "records": records} for at, path, records in counter.latest
        ],
    }


def _customer_ids(codes: Iterable[str]) -> dict[str, int]:
    wanted = list(codes)
    return dict(Customer.objects.filter(code__in=wanted).values_list("code", "pk")) if wanted else {}


def _code(customer: Any) -> str:
    # Only a plausible code: the memory is bounded, and PostgreSQL accepts the text.
    plain = isinstance(customer, str) and len(customer) <= LONGEST_CODE
    return customer if plain and customer.isascii() and customer.isprintable() else ""


REFUSALS = RefusalCounters()
# Web workers exit through multiprocessing's finalizers.
Finalize(None, REFUSALS.write_all, exitpriority=10)
