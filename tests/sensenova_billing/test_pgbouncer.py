"""Through PgBouncer in transaction mode the product works as set, or says at its start what must be set."""

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import manage, web
from drills.stage import last_hours
from drills.upgrade import SET, Load, kinds
from sensenova_billing.dev_server.data_directory import REPOSITORY
from sensenova_billing.dev_server.secret_key import new_secret_key
from tests.pgbouncer import PROGRAM, WHY_SKIPPED, pgbouncer
from tests.sensenova_billing.processes import ask, server_on_copy

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_SKIPPED)
PRODUCTION = "sensenova_billing.settings"


@pytest.fixture(scope="module")
def database(prepared: Path) -> Iterator[str]:
    with server_on_copy(prepared) as url:
        yield url


def start(url: str, **environment: str) -> str:
    """Load the web application as a server does, and return what it complains of."""
    chosen = {"DATABASE_URL": url, "SECRET_KEY": new_secret_key(), "DJANGO_SETTINGS_MODULE": PRODUCTION}
    command = [sys.executable, "-c", "import sensenova_billing.wsgi"]
    environment = {**os.environ, **chosen, **environment}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True
    )
    return done.stderr


def test_a_start_without_the_setting_names_it(database):
    with pgbouncer(database) as url:
        refused = start(url)
    with pgbouncer(database, ignore_startup_parameters="options") as url:
        ignored = start(url)
        allowed = start(url, DATABASE_TRANSACTION_POOLING="1")

    assert "unsupported startup parameter" in refused
    assert "Set DATABASE_TRANSACTION_POOLING=1" in refused
    assert "A pooler is between this process and PostgreSQL" in ignored
    assert allowed == start(database) == ""


def test_a_worker_on_the_queue_in_postgresql_connects_directly(database):
    assert "let worker and beat connect directly" in start(
        database, DATABASE_TRANSACTION_POOLING="1", SENSENOVA_WORK="closing"
    )


def test_requests_closing_and_downloads_work_over_a_few_connections_of_the_server(database):
    pooled: Any = {"DATABASE_TRANSACTION_POOLING": "1", "DJANGO_SETTINGS_MODULE": PRODUCTION}
    secret = new_secret_key()
    with pgbouncer(database) as url:
        session, key = manage(url, "shell", "-v0", code=SET, SECRET_KEY=secret, **pooled).split()[-2:]
        with web(url, workers=2, SECRET_KEY=secret, **pooled) as (port, _):
            load = Load(4 * kinds(session, key), [port])
            with load.going_on():
                threading.Event().wait(4)
            (hour,) = last_hours(1)
            closed = manage(url, "close_hours", CLOSING_GRACE_MINUTES="0", **pooled)
            statuses = [
                status(port, f"/customers/drill/{page}", session)
                for page in ("bills.csv", "usage.xlsx", f"bills/{hour:%Y-%m}.pdf", "limits")
            ]
        verified = manage(url, "verify_books", **pooled)

    failed = [text for phase in load.counts.values() for kind in phase.values() for text in kind.failed]
    assert (failed, statuses) == ([], [200, 200, 200, 200])
    assert ask(database, "SELECT count(*) FROM usage_usagerecord") == len(load.acknowledged) > 20
    assert ("1 records, 1 bills, 2 lines" in closed, "No finding." in verified) == (True, True), closed


def status(port: int, path: str, session: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
        return connection.getresponse().status
