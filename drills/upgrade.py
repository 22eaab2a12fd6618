"""`make drill-upgrade BASE=<commit>`: from an older build to this one while requests go on.

The older build makes its database and serves it. This build migrates it under load; the older one goes on
with the new tables; both serve side by side; then only this one does. Requests are counted in each of these
phases. Ends with 1 if one failed, if a record that was acknowledged is not there, or if the books do not
verify.
"""

import argparse
import datetime as dt
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.compare import HERE, check_out
from benchmarks.server import manage, web
from drills.stage import HOUR, close, last_hours, say, verify_books
from sensenova_billing.dev_server.postgres import stop_in_order_on_signals, throwaway_server
from sensenova_billing.dev_server.secret_key import new_secret_key

# What the drill begins with where no release has a tag and no commit is given: the last one of 2026-11-29.
WITHOUT_TAGS = "3d712fd9"
LOCK, LOCK_OF_TESTS = "requirements.lock", "requirements-dev.lock"
# Where tests of the API are, in any build.
SUITE = (
    "tests/usage/ingest",
    "tests/usage/clients",
    "tests/usage/limits/test_api.py",
    "tests/usage/limits/test_api_status.py",
    "tests/accounts/api_keys",
    "tests/pricing/catalogue",
    "tests/invoices/drilldown",
)
SETTINGS = "sensenova_billing.settings"
SECONDS_BETWEEN_REQUESTS = 0.05
SECONDS_OF_A_PHASE = 6
FAILURES_SHOWN = 5

SET = """
from django.test import Client
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Member, User
from django.utils import timezone
from pricing.models import CallSpecification, Service
with audit_context(by="drill", reason="A drill."):
    customer = Customer.objects.create(code="drill", name="Drill")
    person = User.objects.create_user("drill@example.com", "correct horse battery staple")
    Member.objects.create(customer=customer, user=person)
    CallSpecification.objects.create(
        service=Service.objects.get(name="SenseChat-5"), customer=customer, rpm=1_000_000, tpm=None,
        begins_at=timezone.now(),
    )
browser = Client()
browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
print(browser.cookies["sessionid"].value)
print(issue_service_key(name="drill", scopes=["usage:write", "calls:admit", "billing:read"])[1])
"""
OLD_CLOSE = """
import datetime as dt
from invoices.closing.close import close_due_hours
print(*close_due_hours(now=dt.datetime.fromisoformat("{now}")), sep="\\n")
"""


@dataclass(frozen=True)
class Kind:
    """One kind of request; `body` is made for each."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: Callable[[], dict[str, Any]] | None = None


@dataclass
class Counts:
    """The requests of one kind in one phase."""

    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds


class Load:
    """Sends every kind of request over and over, to the ports in turn, and counts by phase."""

    def __init__(self, kinds: Sequence[Kind], ports: Sequence[int]) -> None:
        self.kinds = kinds
        self.ports = list(ports)
        self.phase = "old build, old tables"
        self.counts: dict[str, dict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
        self.acknowledged: list[str] = []
        self._over = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Send while the block runs."""
        threads = [threading.Thread(target=self._repeat, args=[kind], daemon=True) for kind in self.kinds]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def for_a_while(self, phase: str) -> None:
        """Let a phase last some seconds."""
        self.phase = phase
        time.sleep(SECONDS_OF_A_PHASE)

    def _repeat(self, kind: Kind) -> None:
        number = 0
        while not self._over.is_set():
            ports = self.ports
            self._send(kind, ports[number % len(ports)])
            number += 1
            self._over.wait(SECONDS_BETWEEN_REQUESTS)

    def _send(self, kind: Kind, port: int) -> None:
        counts = self.counts[self.phase][kind.name]
        body = kind.body() if kind.body else {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        began = time.perf_counter()
        try:
            connection.request(kind.method, kind.path, json.dumps(body) if body else None, kind.headers)
            answer = connection.getresponse()
            content = answer.read()
            failure = "" if answer.status == 200 else f"{answer.status} {content[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            failure = repr(error)
        finally:
            connection.close()
        counts.requests += 1
        counts.slowest = max(counts.slowest, time.perf_counter() - began)
        if failure:
            counts.failed[failure] += 1
        elif "event_id" in body:
            self.acknowledged.append(body["event_id"])


def kinds(session: str, key: str) -> list[Kind]:
    """Return what goes on all the time: reports, admissions, what customers read by key, and pages."""
    service = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    person = {"Cookie": f"sessionid={session}"}
    numbers = iter(range(10**9))

    def report() -> dict[str, Any]:
        number, now = next(numbers), dt.datetime.now(dt.UTC)
        return {
            "event_id": f"drill-{number}",
            "customer": "drill",
            "service": "SenseChat-5",
            # The first is of an hour that the old build can close.
            "occurred_at": (now if number else now - HOUR).isoformat(),
            "input_tokens": 1000,
            "output_tokens": 10,
        }

    def call() -> dict[str, Any]:
        return {"customer": "drill", "service": "SenseChat-5", "estimated_tokens": 1}

    return [
        Kind("reports", "POST", "/api/v1/usage", service, report),
        Kind("admissions", "POST", "/api/v1/calls", service, call),
        Kind("limits by key", "GET", "/api/v1/limits?customer=drill", service),
        Kind("catalogue", "GET", "/api/v1/catalog", {}),
        Kind("price page", "GET", "/prices", {}),
        Kind("overview", "GET", "/customers/drill", person),
        Kind("bills", "GET", "/customers/drill/bills", person),
    ]


def upgrade(url: str, old: Path) -> list[str]:
    """Go from the old build to this one, print the counts, and return what is wrong."""
    secret = new_secret_key()
    run_old = partial(manage, url, build=old, SECRET_KEY=secret, DJANGO_SETTINGS_MODULE=SETTINGS)
    serve = partial(web, url, SECRET_KEY=secret, DJANGO_SETTINGS_MODULE=SETTINGS)
    say("The old build makes its database and serves it.")
    run_old("migrate", "--verbosity", "0")
    run_old("load_catalogue")
    session, key = run_old("shell", "-v0", code=SET).split()[-2:]
    with tempfile.TemporaryFile("w") as log, ExitStack() as new, ExitStack() as all_old:
        port = all_old.enter_context(serve(build=old, log=log))[0]
        load = Load(kinds(session, key), [port])
        with load.going_on():
            load.for_a_while(load.phase)
            migrate(url, load)
            load.for_a_while("old build, new tables")
            closed = run_old("shell", "-v0", code=OLD_CLOSE.format(now=last_hours(1)[0] + 1.5 * HOUR))
            say(f"A worker of the old build closed {closed.strip()}")
            new_port = new.enter_context(serve(log=log))[0]
            load.ports = [port, new_port]
            load.for_a_while("both builds")
            load.ports = [new_port]
            load.phase = "old build ends"
            time.sleep(1)  # requests that the old one has are answered
            all_old.close()
            load.for_a_while("this build")
    show(load)
    return [*failures(load), *check_books(url, load)]


def migrate(url: str, load: Load) -> None:
    """Migrate the database with this build."""
    load.phase = "while it is migrated"
    began = time.perf_counter()
    manage(url, "migrate", "--verbosity", "0")
    manage(url, "load_catalogue")
    say(f"This build migrated it in {time.perf_counter() - began:.1f} s.")


def show(load: Load) -> None:
    """Print a row for each phase."""
    names = [kind.name for kind in load.kinds]
    say(f"\n| requests (failed; slowest, ms) | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for phase, counted in load.counts.items():
        cells = [
            f"{one.requests} ({one.failed.total()}; {one.slowest * 1000:.0f})"
            for one in (counted[name] for name in names)
        ]
        say(f"| {phase} | {' | '.join(cells)} |")
    say("")


def failures(load: Load) -> list[str]:
    """Return the failures of each kind in each phase, the most frequent ones."""
    return [
        f"{phase}, {name}: {times} x {text}"
        for phase, counted in load.counts.items()
        for name, one in counted.items()
        for text, times in one.failed.most_common(FAILURES_SHOWN)
    ]


def check_books(url: str, load: Load) -> list[str]:
    """Close the hours and verify them; every acknowledged record is there once."""
    with psycopg.connect(url) as connection:
        stored = [row[0] for row in connection.execute("SELECT event_id FROM usage_usagerecord").fetchall()]
    missing = set(load.acknowledged) - set(stored)
    say(f"{len(load.acknowledged)} records were acknowledged, {len(missing)} of them are not stored.")
    (hour,) = last_hours(1)
    for line in close(url, hour + HOUR):
        say(f"Closed {line}")
    verified = verify_books(url)
    found = verified.stdout.splitlines()[2:] if verified.returncode else []
    say("The books verify." if verified.returncode == 0 else "The books do not verify.")
    return [f"{len(missing)} acknowledged records are missing"] * bool(missing) + found


def run_suite(url: str, old: Path) -> list[str]:
    """Run the older build's tests of the API on tables that this build made."""
    tested = url.replace("@/", "@/test_", 1)  # as Django names the database of tests
    with psycopg.connect(url, autocommit=True) as connection:
        name = psycopg.sql.Identifier(f"test_{connection.info.dbname}")
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
    manage(tested, "migrate", "--verbosity", "0")
    paths = [path for path in SUITE if (old / path).exists()]
    say(f"The old build's tests on the new tables: {' '.join(paths)}")
    done = subprocess.run(
        [old / ".venv/bin/python", "-m", "pytest", "--quiet", "--reuse-db", *paths],
        cwd=old,
        env={**os.environ, "DATABASE_URL": url},
        check=False,
    )
    return [f"the old build's tests ended with {done.returncode}"] if done.returncode else []


def last_release() -> str:
    """Return the last tag, or the commit that stands for it."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=HERE, check=False, capture_output=True, text=True
    )
    return found.stdout.strip() or WITHOUT_TAGS


def main() -> int:
    """Run the drill and return 0 if no request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", nargs="?", help="the commit to begin with; unless given, the last tag")
    parser.add_argument(
        "--installed", action="store_true", help="run it with what is installed for this build"
    )
    parser.add_argument(
        "--suite", action="store_true", help="run its tests of the API on the new tables as well"
    )
    options = parser.parse_args()
    stop_in_order_on_signals()
    base = options.base or last_release()
    say(f"From {base} to this build.")
    made = Path(tempfile.mkdtemp(prefix="sensenova-base-"))
    try:
        if options.installed:
            (made / ".venv").symlink_to(HERE / ".venv")
        check_out(base, made, lock=LOCK_OF_TESTS if options.suite else LOCK)
        with throwaway_server() as url:
            problems = upgrade(url, made)
            if options.suite:
                problems += run_suite(url, made)
    finally:
        shutil.rmtree(made)
    for problem in problems:
        say(f"PROBLEM: {problem}")
    say("The drill failed." if problems else "No request failed.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
