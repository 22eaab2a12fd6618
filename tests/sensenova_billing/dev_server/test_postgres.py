"""The embedded PostgreSQL: it starts, it ends with its parent, and it keeps what was committed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import environ
import psycopg
import pytest
from pgmq.base import PGMQConfig

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import StartFailed, data_directory, held, socket_directory
from sensenova_billing.dev_server.postgres_programs import find_programs
from tests.sensenova_billing.processes import (
    ask,
    eventually,
    nothing_runs_on,
    output_of,
    postmasters,
    start,
    temporary_data_directory,
)


@pytest.fixture
def directory(prepared: Path) -> Iterator[Path]:
    with temporary_data_directory(prepared) as made:
        yield made


@pytest.fixture
def empty() -> Iterator[Path]:
    with temporary_data_directory() as made:
        yield made


def serve(directory):
    process = start("-m", "sensenova_billing.dev_server.postgres", "serve", directory=directory)
    before = output_of(directory).count("is ready")
    assert eventually(lambda: output_of(directory).count("is ready") > before, seconds=60), output_of(
        directory
    )
    return process


def committed_rows(directory):
    return ask(postgres.database_url(directory), "SELECT count(*) FROM kept")


def commit_a_row(directory):
    ask(postgres.database_url(directory), "CREATE TABLE kept AS SELECT 1")


def test_a_stopped_launcher_leaves_nothing_running(directory):
    launcher = serve(directory)
    launcher.terminate()
    assert launcher.wait(10) == 128 + signal.SIGTERM
    assert nothing_runs_on(directory)
    assert "database system is shut down" in (directory / "log" / "postgresql.log").read_text()


def test_killing_the_launcher_ends_postgresql(directory):
    launcher = serve(directory)
    launcher.kill()
    launcher.wait()
    assert eventually(lambda: nothing_runs_on(directory), seconds=10)


def test_what_was_committed_survives_the_killing_of_postgresql(directory):
    launcher = serve(directory)
    commit_a_row(directory)
    os.kill(postmasters(directory)[0], signal.SIGKILL)
    launcher.wait(10)
    launcher = serve(directory)
    assert committed_rows(directory) == 1
    launcher.terminate()
    launcher.wait(10)


def test_a_pid_file_that_names_another_living_process_is_no_obstacle(directory):
    launcher = serve(directory)
    commit_a_row(directory)
    os.kill(postmasters(directory)[0], signal.SIGKILL)
    launcher.wait(10)
    pid_file = directory / "postgresql" / "postmaster.pid"
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().splitlines()[1:]]) + "\n")
    launcher = serve(directory)
    assert committed_rows(directory) == 1
    assert stranger.poll() is None
    launcher.terminate()
    launcher.wait(10)
    stranger.communicate(b"\n")


def test_a_second_start_waits_until_a_killed_launchers_server_has_gone(directory):
    killed = serve(directory)
    killed.kill()
    killed.wait()
    launcher = serve(directory)
    assert len(postmasters(directory)) == 1
    launcher.terminate()
    launcher.wait(10)


def test_a_directory_is_held_by_one_process_at_a_time(empty):
    with held(empty), pytest.raises(StartFailed, match="already running"), held(empty):
        pass


def test_a_cluster_left_half_made_is_made_anew(empty):
    (empty / "postgresql.unfinished").mkdir()
    (empty / "postgresql.unfinished" / "PG_VERSION").write_text("18\n")
    process = postgres.start(empty)
    postgres.stop(process)
    assert process.returncode == 0


def test_a_start_that_fails_gives_postgresqls_own_reason(directory):
    postgres.stop(postgres.start(directory))
    (directory / "postgresql" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StartFailed, match="incompatible"):
        postgres.start(directory)


def test_a_server_that_fails_right_after_its_start_is_a_failed_start(directory):
    process = postgres.start(directory)
    with psycopg.connect(postgres.database_url(directory), dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {postgres.DATABASE}")
        connection.execute("ALTER SYSTEM SET statement_timeout = '1ms'")
    postgres.stop(process)
    with pytest.raises(StartFailed, match="could not be set up"):
        postgres.start(directory)
    assert postmasters(directory) == []


def test_a_throwaway_server_leaves_no_files():
    with postgres.throwaway_server(fsync=False) as url:
        directory = Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"])).parent
        assert ask(url, "SHOW fsync") == "off"
    assert not directory.exists()


def test_a_directory_name_with_spaces_capitals_and_great_length_can_be_connected_to(empty):
    deep = empty / "Data, of 'A' \"B\" & c" / ("x" * 90)
    process = postgres.start(deep)
    assert ask(postgres.database_url(deep), "SELECT 1") == 1
    postgres.stop(process)
    socket_directory(deep).rmdir()


def test_djangos_settings_and_libpq_read_the_same_socket_from_the_url(monkeypatch):
    monkeypatch.setenv("SENSENOVA_DATA_DIR", "/Some Where/Data")
    url = postgres.default_database_url()
    database = postgres.plain_host(environ.Env.db_url_config(url))
    assert database["HOST"] == psycopg.conninfo.conninfo_to_dict(url)["host"] == "/Some Where/Data/run"
    assert database["NAME"] == "sensenova_billing"


def test_the_address_is_known_without_any_program(monkeypatch):
    monkeypatch.setenv("SENSENOVA_DATA_DIR", "/nowhere/at/all")
    monkeypatch.setenv("POSTGRES_BIN", "/nowhere/bin")
    assert str(data_directory()) == "/nowhere/at/all"
    assert "nowhere" in postgres.default_database_url()
    with pytest.raises(StartFailed, match="POSTGRES_BIN"):
        find_programs()


def test_the_queue_connects_with_every_part_of_the_address():
    database = {
        "NAME": "bills",
        "USER": "o'brien",
        "PASSWORD": "two words\\'",
        "HOST": "/A socket",
        "PORT": 5433,
        "OPTIONS": {"sslmode": "verify-full", "pool": {"min_size": 1}},
    }
    used = PGMQConfig(conn_string=postgres.queue_connection(database)).dsn
    assert psycopg.conninfo.conninfo_to_dict(used) == {
        "dbname": "bills",
        "user": "o'brien",
        "password": "two words\\'",
        "host": "/A socket",
        "port": "5433",
        "sslmode": "verify-full",
    }


def test_a_command_with_a_throwaway_server_passes_on_its_exit_code():
    check = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']).close(); raise SystemExit(3)"
    command = ["-m", "sensenova_billing.dev_server.postgres", "with-throwaway", sys.executable, "-c", check]
    assert subprocess.run([sys.executable, *command], check=False).returncode == 3


def test_without_a_database_a_command_says_how_to_start_one(empty):
    command = start("manage.py", "migrate", directory=empty)
    assert command.wait(20) == 1
    assert "make run" in output_of(empty)
    assert len(output_of(empty).splitlines()) == 1
