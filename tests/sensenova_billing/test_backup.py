"""The commands of docs/operations.md, "Backup and restore", on the tests' own server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from accounts.models import Customer
from sensenova_billing.dev_server.data_directory import REPOSITORY
from sensenova_billing.dev_server.postgres_programs import find_programs
from tests.builders import at, close, record, report

RESTORED = "restored_books"
# Instants are written out: the other process may have another THE_HOUR.
SENT_AGAIN = """
from datetime import datetime
from tests.builders import record, report
at = datetime.fromisoformat
sent = [report("call-1", occurred_at=at("{0}")), report("lost", occurred_at=at("{1}"))]
print(record(*sent, now=at("{2}")))
"""
GUARDS = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"


def url(database: str) -> str:
    host = quote(connection.settings_dict["HOST"], safe="")
    return f"postgresql://postgres@/{database}?host={host}"


def manage(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DATABASE_URL": url(RESTORED), "DATABASE_POOL_SIZE": "0"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True
    )


def guards(database: str) -> list[tuple[str, ...]]:
    with psycopg.connect(url(database)) as connection:
        return sorted(connection.execute(GUARDS).fetchall())


@pytest.fixture
def restored(transactional_db: None, acme: Customer, tmp_path: Path) -> Iterator[str]:
    """A database that was restored from a dump of closed books."""
    record(report())
    close()
    programs, dump = find_programs(), tmp_path / "billing.dump"
    source = url(connection.settings_dict["NAME"])
    subprocess.run(
        [programs / "pg_dump", "--format=custom", f"--file={dump}", source], check=True, capture_output=True
    )
    with psycopg.connect(url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {RESTORED}")
        try:
            into = f"--dbname={url(RESTORED)}"
            command: list[str | Path] = [programs / "pg_restore", "--exit-on-error", "--no-owner", into, dump]
            subprocess.run(command, check=True, capture_output=True)
            yield RESTORED
        finally:
            server.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")


def test_a_restored_database_verifies_and_takes_usage_again(restored: str) -> None:
    assert guards(restored) == guards(connection.settings_dict["NAME"])
    assert {enabled for _, name, enabled in guards(restored) if "append_only" in name} == {"A"}

    verified = manage("verify_books")
    sent_again = manage("shell", "--command", SENT_AGAIN.format(at(10), at(70), at(71)))

    assert (verified.returncode, "No finding." in verified.stdout) == (0, True), verified.stdout
    assert "accepted=1, duplicates=1" in sent_again.stdout, sent_again.stderr


def test_restored_bills_cannot_be_changed_not_even_as_a_replica(restored: str) -> None:
    with psycopg.connect(url(restored), autocommit=True) as forger:
        forger.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.RestrictViolation):
            forger.execute("UPDATE invoices_hourlybill SET amount = 0")
