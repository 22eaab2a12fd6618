"""PostgreSQL without an installed server: find its programs, run it as a child, and name its address.

The server listens on a Unix socket in a directory that only its own account may enter, and nowhere else.
It ends with the process that started it: on an orderly stop, and also when that one is killed outright.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from sensenova_billing.dev_server.data_directory import (
    StartFailed,
    data_directory,
    held,
    make_private,
    make_reachable,
    make_temporary,
    server_account,
    socket_directory,
)
from sensenova_billing.dev_server.parent_death import tied_to_caller
from sensenova_billing.dev_server.postgres_programs import find_programs

DATABASE = "sensenova_billing"
# The first release whose locale provider "builtin" orders and folds UTF-8 without the system's help.
FIRST_WITH_BUILTIN_LOCALE = 17
# A stopping server writes its last checkpoint first; its successor waits this long for it.
SECONDS_FOR_PREDECESSOR = 120
LARGEST_LOG = 10_000_000


def _share_of_memory() -> str:
    """A quarter of this machine's memory, as PostgreSQL's manual advises; it is taken only as it is used."""
    megabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return f"{max(128, min(megabytes // 4, 8192))}MB"


# fsync and synchronous_commit stay on: what was answered with 200 must survive a power failure.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": _share_of_memory(),
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    # The wheel has pglz only, which costs more than the disk gains: see docs/benchmarks.md.
    "wal_compression": "off",
    "random_page_cost": "1.1",
    "jit": "off",  # the wheel has none; elsewhere it only slows short queries
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


# --- Addresses -----------------------------------------------------------------------------------


def database_url(directory: Path) -> str:
    """Return the URL of the database served from a data directory, for libpq and for django-environ."""
    # A socket in the place of the host would not survive: django-environ turns that part into lower case.
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(socket_directory(directory)), safe='')}"


def default_database_url() -> str:
    """Return the URL of the embedded server's database, whether or not that server runs."""
    return database_url(data_directory())


def plain_host(database: dict[str, Any]) -> dict[str, Any]:
    """Move a `?host=` of the URL to where Django's own commands, such as `dbshell`, look for it."""
    host = database.get("OPTIONS", {}).pop("host", "")
    return {**database, "HOST": host} if host else database


def queue_connection(database: Mapping[str, Any]) -> str:
    """Return libpq's keywords for the message queue's own connections to Django's database."""
    options = {
        key: str(value) for key, value in database.get("OPTIONS", {}).items() if key in _libpq_keywords()
    }
    host = database.get("HOST") or options.pop("host", "")
    # The queue's client parses this string, keeps five values and writes them into a new one, unquoted.
    # So each value is quoted for that second string too, and what it would drop (sslmode...) follows dbname.
    behind = "".join(f" {key}={_quoted(value)}" for key, value in options.items())
    return " ".join(
        [
            f"host={_quoted(_quoted(host))}",
            f"port={_quoted(_quoted(str(database.get('PORT', ''))))}",
            f"user={_quoted(_quoted(database.get('USER', '')))}",
            f"password={_quoted(_quoted(database.get('PASSWORD', '')))}",
            f"dbname={_quoted(_quoted(database['NAME']) + behind)}",
        ]
    )


def _libpq_keywords() -> set[str]:
    return {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# --- The server ----------------------------------------------------------------------------------


def start(directory: Path, *, fsync: bool = True) -> "subprocess.Popen[bytes]":
    """Return PostgreSQL's process once it takes connections and our database is there."""
    make_reachable(directory)
    lock = _wait_for_predecessor(directory)
    try:
        process = _launch(directory, lock=lock, fsync=fsync)
    finally:
        os.close(lock)
    try:
        _wait_until_ready(process, directory)
        _ensure_database(directory)
    except BaseException:
        stop(process)
        raise
    return process


def stop(process: "subprocess.Popen[bytes]", *, seconds: float = 30) -> None:
    """End PostgreSQL in order, or by force if it has not ended after that time."""
    for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 1), (signal.SIGKILL, 1)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def open_log(directory: Path, name: str) -> int:
    """Open a log file of a data directory for adding to it, and put an overlong one aside."""
    path = directory / "log" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".log.old"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def _wait_for_predecessor(directory: Path) -> int:
    """Return a lock that all PostgreSQL processes on this directory inherit: free when the last has gone."""
    lock = os.open(directory / "postgresql.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + SECONDS_FOR_PREDECESSOR
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return lock
    os.close(lock)
    raise StartFailed(f"Another PostgreSQL still uses {directory}: stop it first.")


def _launch(directory: Path, *, lock: int, fsync: bool) -> "subprocess.Popen[bytes]":
    programs = find_programs()
    cluster = directory / "postgresql"
    if not cluster.exists():
        _make_cluster(programs, cluster)
    make_private(socket_directory(directory))
    log = open_log(directory, "postgresql")
    try:
        return subprocess.Popen(
            [programs / "postgres", "-D", cluster, *_options(directory, fsync=fsync)],
            env=_server_environment(cluster),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C at the terminal is for the runner, which stops us last
            preexec_fn=tied_to_caller(signal.SIGINT),  # SIGINT: end all sessions, write a checkpoint, end
            **as_server_account(),
        )
    finally:
        os.close(log)


def _make_cluster(programs: Path, cluster: Path) -> None:
    """Make a cluster beside its place and move it there: half a cluster is never taken for one."""
    unfinished = cluster.with_name("postgresql.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_private(unfinished)
    options = [
        "--username=postgres",
        "--encoding=UTF8",
        "--auth=trust",
        "--data-checksums",
        *_locale(programs),
    ]
    made = subprocess.run(
        [programs / "initdb", "--pgdata", unfinished, *options],
        check=False,
        cwd="/",
        capture_output=True,
        text=True,
        preexec_fn=tied_to_caller(),
        **as_server_account(),
    )
    if made.returncode != 0:
        raise StartFailed(f"PostgreSQL could not make its files: {_last_line(made.stderr)}")
    unfinished.rename(cluster)


def _locale(programs: Path) -> list[str]:
    version = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True)
    if int(version.stdout.split()[2].split(".")[0]) < FIRST_WITH_BUILTIN_LOCALE:
        return ["--locale=C.UTF-8"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _options(directory: Path, *, fsync: bool) -> list[str]:
    # The setting is a list, in which a quoted name may hold commas and spaces.
    sockets = str(socket_directory(directory)).replace('"', '""')
    settings = {
        **SERVER_SETTINGS,
        "unix_socket_directories": f'"{sockets}"',
        "fsync": "on" if fsync else "off",
        # TRUNCATE and the last checkpoint go through all buffers, which tests do often.
        # What may be lost anyway needs no copies of whole pages in its log.
        **({} if fsync else {"shared_buffers": "128MB", "full_page_writes": "off"}),
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _server_environment(cluster: Path) -> dict[str, str]:
    """Return an environment in which the pid file of a killed server does not hinder the next."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    # By now that number may belong to any process; PostgreSQL ignores the number of its own "grandparent".
    # A server that really runs on these files is still found, by our lock and by its shared memory.
    with suppress(FileNotFoundError, IndexError):
        environment["PG_GRANDPARENT_PID"] = (cluster / "postmaster.pid").read_text().split()[0]
    return environment


def as_server_account() -> dict[str, Any]:
    """Return how PostgreSQL's programs are started: not as root."""
    if os.geteuid() != 0:
        return {}
    account = server_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _connect(directory: Path, database: str) -> psycopg.Connection:
    sockets = str(socket_directory(directory))
    return psycopg.connect(host=sockets, port=5432, user="postgres", dbname=database, autocommit=True)


def _wait_until_ready(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    # Without a limit: recovery after a crash takes as long as it takes.
    while process.poll() is None:
        try:
            _connect(directory, "postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    log = directory / "log" / "postgresql.log"
    raise StartFailed(f"PostgreSQL ended at once ({_last_line(log.read_text(errors='replace'))}), see {log}.")


def _ensure_database(directory: Path) -> None:
    try:
        with _connect(directory, "postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(DATABASE))
                )
    except psycopg.OperationalError as failure:
        reason = " ".join(str(failure).splitlines()[:1])
        raise StartFailed(f"PostgreSQL started but could not be set up ({reason}).") from failure


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    telling = [line for line in lines if "FATAL" in line or "error:" in line] or lines or ["no reason given"]
    return telling[-1].strip()


@contextmanager
def throwaway_server(*, fsync: bool = True) -> Iterator[str]:
    """Give the URL of an empty database on a server of its own, which is removed afterwards."""
    directory = make_temporary()
    try:
        process = start(directory, fsync=fsync)
        try:
            yield database_url(directory)
        finally:
            stop(process)
    finally:
        shutil.rmtree(socket_directory(directory), ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)


# --- The command line ----------------------------------------------------------------------------


def serve() -> int:
    """Run the embedded PostgreSQL alone, in the foreground, until it is stopped."""
    directory = data_directory()
    make_reachable(directory)
    with held(directory):
        process = start(directory)
        sys.stdout.write(f"PostgreSQL is ready: {database_url(directory)}\n")
        sys.stdout.flush()
        try:
            return process.wait()
        finally:
            stop(process)


def with_throwaway(command: Sequence[str]) -> int:
    """Run a command with DATABASE_URL naming a throwaway server, and return its exit code."""
    with throwaway_server() as url:
        environment = {**os.environ, "DATABASE_URL": url}
        return subprocess.run(command, check=False, env=environment, preexec_fn=tied_to_caller()).returncode


def _print(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0


def stop_in_order_on_signals() -> None:
    """Let SIGTERM, SIGHUP and SIGINT unwind the stack, so that everything is stopped in order."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it starts with "&"
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # unless started by nohup
        signal.signal(signal.SIGHUP, lambda number, _: sys.exit(128 + number))


def main(arguments: Sequence[str]) -> int:
    """Serve, run a command with a throwaway server, or print where the programs or the database are."""
    stop_in_order_on_signals()
    try:
        match list(arguments):
            case ["serve"]:
                return serve()
            case ["with-throwaway", *command] if command:
                return with_throwaway(command)
            case ["programs"]:
                return _print(str(find_programs()))
            case ["url"]:
                return _print(default_database_url())
    except StartFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    usage = "serve | with-throwaway COMMAND... | programs | url"
    sys.stderr.write(f"usage: python -m sensenova_billing.dev_server.postgres {usage}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
