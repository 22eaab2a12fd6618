"""The hammer: many processes press on the limits of one customer and service, over HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg

from benchmarks.server import manage, web
from sensenova_billing.dev_server.parent_death import tied_to_caller
from tests.limits.caller import Order
from tests.limits.calls import SECOND, read
from tests.limits.checker import COUNTED_WITHIN, Limits, Stored, Verdict, check
from tests.limits.stores import read_postgresql, read_redis
from tests.sensenova_billing.processes import eventually

CALLERS = 8
WEB_WORKERS = 3
SERVICE = "SenseChat-5"

POSTGRESQL, REDIS = "postgresql", "redis"
STORES = (POSTGRESQL, REDIS)


@dataclass(frozen=True)
class Run:
    """Limits, and calls that press on one of them."""

    limits: Limits
    least_tokens: int
    most_tokens: int
    unasked: int = 0  # beside a hundred admitted calls so many are reported and were never asked for
    is_patient: bool = True
    refusals: int | None = None  # after so many a caller goes

    def smaller(self) -> "Run":
        """Return a run like this that takes seconds, for it ends once its lower limits are reached."""
        tpm = self.limits.tpm and self.limits.tpm // 10
        return replace(
            self,
            limits=Limits(self.limits.rpm // 10, tpm),
            most_tokens=self.most_tokens // 5,
            refusals=1 if self.is_patient else 20,
        )


RUNS = {
    "requests": Run(Limits(rpm=600), least_tokens=1, most_tokens=1000),
    "tokens": Run(Limits(rpm=60_000, tpm=60_000), least_tokens=10, most_tokens=400),
    # Everybody comes back at once, again and again, and not all have asked.
    "impatient": Run(
        Limits(rpm=600, tpm=600_000), least_tokens=1, most_tokens=1000, unasked=5, is_patient=False
    ),
}


@dataclass(frozen=True)
class Build:
    """What is broken, if anything: the web application, or the limits, which double after some seconds."""

    application: str = "sensenova_billing.wsgi:application"
    doubles_after: int | None = None


SOUND = Build()
BROKEN = {
    "own-counting": Build(application="tests.limits.own_counting:application"),
    "doubled": Build(doubles_after=1),
}


@dataclass(frozen=True)
class Target:
    """A running product."""

    url: str  # of its database
    redis_url: str  # empty: PostgreSQL keeps the windows
    port: int
    doubles_after: int | None

    def stored(self, run: str) -> dict[str, Stored]:
        """Return what its store says of a run."""
        if self.redis_url:
            return read_redis(self.redis_url, run=run)
        return read_postgresql(self.url, run=run)


@contextmanager
def served(url: str, *, redis_url: str, build: Build = SOUND, workers: int = WEB_WORKERS) -> Iterator[Target]:
    """Serve a migrated database with several web processes."""
    with web(url, application=build.application, workers=workers, REDIS_URL=redis_url) as (port, _):
        yield Target(url, redis_url, port, build.doubles_after)


def hammer(
    target: Target, runs: Mapping[str, Run], *, seconds: int, directory: Path, callers: int = CALLERS
) -> dict[str, Verdict]:
    """Press on the limits of a customer for each run, of all at the same time, and return the verdicts."""
    prefix = f"{directory.name}-{'redis' if target.redis_url else 'postgresql'}"
    named = {f"{prefix}-{name}": run for name, run in runs.items()}
    key = _set_limits(target.url, named)
    each = {f"{name}.{number}": (name, run) for name, run in named.items() for number in range(callers)}
    ready = start_callers([directory / caller for caller in each])
    begins = time.monotonic_ns()
    ends = begins + seconds * SECOND
    orders = [
        Order(
            *(target.port, key, caller, name, SERVICE, begins, ends),
            *(run.least_tokens, run.most_tokens, run.unasked, run.is_patient, run.refusals),
        )
        for caller, (name, run) in each.items()
    ]
    if target.doubles_after is not None:
        Timer(target.doubles_after, _double_limits, [target.url]).start()
    let_call(ready, [asdict(order) for order in orders])
    epoch = time.monotonic_ns() - time.time_ns()
    return {
        name: _judge(target, full_name, run, seconds=seconds, directory=directory, epoch=epoch)
        for (full_name, run), name in zip(named.items(), runs, strict=True)
    }


def _judge(target: Target, name: str, run: Run, *, seconds: int, directory: Path, epoch: int) -> Verdict:
    told = read(directory.glob(f"{name}.*"))
    ended = {call.call_id for call in told.calls if call.was_asked_for and call.end}
    eventually(lambda: _are_told(target.stored(name), ended), seconds=COUNTED_WITHIN // SECOND)
    return check(
        calls=told.calls,
        refused=told.refused,
        stored=target.stored(name),
        limits=run.limits,
        seconds=seconds,
        epoch=epoch,
    )


def _are_told(stored: Mapping[str, Stored], ended: set[str]) -> bool:
    """Tell whether the store knows of the ends of all these calls."""
    return all(call.state != "held" for call_id, call in stored.items() if call_id in ended)


def start_callers(
    journals: Sequence[Path], *, module: str = "tests.limits.caller"
) -> "list[subprocess.Popen[str]]":
    """Start a process for each journal, and wait until all are ready for their orders."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", module, journal],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=tied_to_caller(),
        )
        for journal in journals
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready, or has ended and left a complaint
    return started


def let_call(ready: "Sequence[subprocess.Popen[str]]", orders: Sequence[Mapping[str, Any]]) -> None:
    """Give an order to each of these processes, and wait until all have carried it out."""
    for process, order in zip(ready, orders, strict=True):
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and left a complaint
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
    complaints = [process.communicate()[1] for process in ready]
    if any(process.returncode for process in ready):
        raise SystemExit(next(filter(None, complaints), "A caller was killed."))


_CUSTOMERS = """
import datetime as dt, json
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from django.db import transaction
from django.utils import timezone
from pricing.models import CallSpecification, Service
since = timezone.now() - dt.timedelta(hours=1)
with transaction.atomic(), audit_context(by="hammer", reason="A test."):
    for name, (rpm, tpm) in json.loads({runs!r}).items():
        CallSpecification.objects.create(
            customer=Customer.objects.create(code=name, name=name),
            service=Service.objects.get(name={service!r}), rpm=rpm, tpm=tpm, begins_at=since)
print(issue_service_key(name="hammer", scopes=["calls:admit", "usage:write"])[1])
"""


def _set_limits(url: str, runs: Mapping[str, Run]) -> str:
    """Make a customer for each run, with its limits, and a key."""
    limits = json.dumps({name: (run.limits.rpm, run.limits.tpm) for name, run in runs.items()})
    return manage(url, "shell", "-v0", code=_CUSTOMERS.format(runs=limits, service=SERVICE)).split()[-1]


def _double_limits(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(_DOUBLE)


_DOUBLE = """
WITH ended AS (
    UPDATE pricing_callspecification SET ends_at = now() + interval '0.1 s'
     WHERE customer_id IS NOT NULL AND ends_at IS NULL
 RETURNING customer_id, service_id, rpm, tpm, ends_at
)
INSERT INTO pricing_callspecification (customer_id, service_id, rpm, tpm, begins_at)
SELECT customer_id, service_id, 2 * rpm, 2 * tpm, ends_at FROM ended
"""
