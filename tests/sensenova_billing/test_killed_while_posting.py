"""Whatever is killed while usage is posted: every acknowledged record is stored, and stored once."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import psycopg
import pytest

from sensenova_billing.dev_server import postgres
from tests.faults.checker import Verdict, check, read_journal, read_stored
from tests.faults.driver import Target, driving
from tests.faults.nemesis import ending_a_session, haunt, killing, sessions
from tests.sensenova_billing.processes import (
    eventually,
    nothing_runs_on,
    output_of,
    postmasters,
    run_until_up,
    start,
    temporary_data_directory,
    users_of,
    web_servers,
    web_workers,
)

SEED = 20261123
CUSTOMERS = ("acme", "globex", "initech")
TIMES = {"web worker": 3, "web server": 1, "postmaster": 2, "backend": 1, "session": 6}
# A commit is answered before it is on the disk, and goes there no sooner than it must.
CARELESS = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}


@pytest.fixture(scope="module")
def directory(prepared: Path) -> Iterator[Path]:
    with temporary_data_directory(prepared) as made:
        yield made


@pytest.fixture(scope="module")
def target(directory: Path) -> Iterator[Target]:
    """The whole product, running, with customers and a service key."""
    runner, port = run_until_up(directory)
    try:
        settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        assert start("manage.py", "set_stage", *CUSTOMERS, directory=directory, **settings).wait(30) == 0
        yield Target(port, re.findall(r"sk_live_\S+", output_of(directory))[0], CUSTOMERS)
    finally:
        runner.terminate()
        runner.wait(10)
    assert eventually(lambda: nothing_runs_on(directory), seconds=10), users_of(directory)


def verdict_on(run: str, *, journal: Path, directory: Path) -> Verdict:
    stored = read_stored(postgres.database_url(directory), run=run)
    return check(journal=read_journal(journal), stored=stored)


def is_back(directory: Path) -> bool:
    """Wait until PostgreSQL is there again and used."""
    return eventually(lambda: sessions(postgres.database_url(directory)), seconds=60)


def restarts(directory: Path) -> int:
    """Count how often the runner has started PostgreSQL again."""
    return len(re.findall(r"^postgresql .* it is started again", output_of(directory), re.MULTILINE))


@contextmanager
def careless(url: str) -> Iterator[None]:
    """Let PostgreSQL lose what it has committed if it is killed."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in CARELESS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
    yield
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")


# First, because a web worker that starts meanwhile refuses such a database, and the other test starts many.
def test_a_postgresql_that_answers_before_it_is_sure_is_found_out(directory, target, tmp_path):
    with (
        careless(postgres.database_url(directory)),
        driving(target, run="careless", journal=tmp_path / "journal") as driver,
    ):
        assert eventually(lambda: driver.acknowledged > 20, seconds=20)
        os.kill(postmasters(directory)[0], signal.SIGKILL)
        assert is_back(directory)
    assert verdict_on("careless", journal=tmp_path / "journal", directory=directory).lost


def test_whatever_is_killed_what_was_acknowledged_is_stored_once(directory, target, tmp_path):
    url, before = postgres.database_url(directory), restarts(directory)
    strikes = {
        "web worker": killing(partial(web_workers, directory)),
        "web server": killing(partial(web_servers, directory)),
        "postmaster": killing(partial(postmasters, directory)),
        "backend": killing(partial(sessions, url)),
        "session": ending_a_session(url),
    }
    with driving(target, run=f"killed-{SEED}", journal=tmp_path / "journal") as driver:
        struck = haunt(driver, strikes=strikes, times=TIMES, random=Random(SEED))
        assert is_back(directory)
    verdict = verdict_on(f"killed-{SEED}", journal=tmp_path / "journal", directory=directory)
    assert verdict.faults() == {}, (struck, verdict)
    assert struck == TIMES
    assert restarts(directory) - before >= TIMES["postmaster"]
    # 502 comes from the proxy, where there is one: the web server died before it answered.
    assert {"200"} < set(driver.answers) <= {"200", "502", "503", "broken"}
    assert verdict.sent_again > 0
    assert verdict.resent > 0
