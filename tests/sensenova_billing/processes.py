"""Real processes for tests: start one, find its descendants, wait until something holds."""

import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.server import manage
from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import REPOSITORY, make_temporary

# What was started for each data directory, to be killed with it.
_STARTED: defaultdict[Path, "list[subprocess.Popen[str]]"] = defaultdict(list)


def eventually(holds: Callable[[], object], *, seconds: float) -> bool:
    """Wait until a condition holds, and tell whether it did in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def users_of(directory: Path) -> list[str]:
    """Return the command lines of all live processes that were started for a data directory."""
    return [command for _, command in _using(directory)]


def web_servers(directory: Path) -> list[int]:
    """Return the process ids of the web servers of a data directory, which serve through their workers."""
    found = _granians(directory)
    return [number for number, parent in found.items() if parent not in found]


def web_workers(directory: Path) -> list[int]:
    """Return the process ids of the web servers' workers of a data directory."""
    found = _granians(directory)
    return [number for number, parent in found.items() if parent in found]


def _granians(directory: Path) -> dict[int, int]:
    return {number: _parent(number) for number, command in _using(directory) if "granian" in command}


def _parent(number: int) -> int:
    found = re.search(rb"^PPid:\s*(\d+)", _read(number, "status"), re.MULTILINE)
    return int(found.group(1)) if found else 0


def postmasters(directory: Path) -> list[int]:
    """Return the process ids of the PostgreSQL servers that run on a data directory."""
    wanted = str(directory / "postgresql")
    found = [number for number, command in _live_processes() if f"postgres -D {wanted} " in command]
    # What a server has just forked still goes by its command line.
    return [number for number in found if _parent(number) not in found]


def nothing_runs_on(directory: Path) -> bool:
    """Tell whether neither a process started for this directory is left nor one of its PostgreSQL's own."""
    with (directory / "postgresql.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return not users_of(directory)


def _using(directory: Path) -> list[tuple[int, str]]:
    mark = f"SENSENOVA_DATA_DIR={directory}".encode()
    return [
        (number, command)
        for number, command in _live_processes()
        if mark in _read(number, "environ").split(b"\0")
    ]


def _live_processes() -> list[tuple[int, str]]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    commands = [(number, _read(number, "cmdline").replace(b"\0", b" ").decode()) for number in numbers]
    return [(number, command) for number, command in commands if command]  # a zombie has none


def _read(number: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{number}/{name}").read_bytes()
    except OSError:
        return b""


def free_port() -> int:
    """Return a port without a listener."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@contextmanager
def temporary_data_directory(prepared: Path | None = None) -> Iterator[Path]:
    """Give a data directory, empty or with a copy of a cluster, and kill whatever still runs on it."""
    directory = make_temporary()
    try:
        if prepared:
            subprocess.run(["cp", "--archive", prepared, directory / "postgresql"], check=True)
        yield directory
    finally:
        _kill_all(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _kill_all(directory: Path) -> None:
    for process in _STARTED.pop(directory, []):
        process.kill()
        process.wait()
    # Told to end at once it does not write a checkpoint, but removes its shared memory.
    _signal(postmasters(directory), signal.SIGQUIT)
    if not eventually(lambda: not postmasters(directory) and not users_of(directory), seconds=10):
        _signal([number for number, _ in _using(directory)] + postmasters(directory), signal.SIGKILL)


def _signal(numbers: list[int], signal_number: signal.Signals) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal_number)


@contextmanager
def server_on_copy(prepared: Path, *, fsync: bool = True) -> Iterator[str]:
    """Give the URL of a database on a server of its own, as a start of the product leaves it."""
    with temporary_data_directory(prepared) as directory:
        process = postgres.start(directory, fsync=fsync)
        try:
            yield postgres.database_url(directory)
        finally:
            process.send_signal(signal.SIGQUIT)  # without a checkpoint, which is not needed
            process.wait()


def prepare_cluster(cluster: Path) -> None:
    """Make a cluster as the first start of the product does, to be copied: that takes a tenth of the time."""
    with temporary_data_directory() as directory:
        process = postgres.start(directory, fsync=False)
        try:
            url, settings = postgres.database_url(directory), "sensenova_billing.settings"
            manage(url, "prepare", DJANGO_SETTINGS_MODULE=settings)
        finally:
            postgres.stop(process)
        subprocess.run(["mv", directory / "postgresql", cluster], check=True)


def start(*arguments: str, directory: Path, output: str = "", **environment: str) -> "subprocess.Popen[str]":
    """Start Python on a data directory, with the embedded database, its output going to a file there."""
    inherited = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    chosen = {"SENSENOVA_DATA_DIR": str(directory), "DJANGO_SETTINGS_MODULE": "sensenova_billing.settings"}
    with Path(output or directory / "output").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env={**inherited, **chosen, **environment},
            stdout=log,
            stderr=log,
            text=True,
        )
    _STARTED[directory].append(process)
    return process


def run(directory: Path, *, output: str = "", **environment: str) -> "tuple[subprocess.Popen[str], int]":
    """Start everything on a data directory, and return the runner and the port."""
    environment = {"PORT": str(free_port()), **environment}
    runner = start("manage.py", "run", "--no-demo", directory=directory, output=output, **environment)
    return runner, int(environment["PORT"])


def run_until_up(directory: Path, **environment: str) -> "tuple[subprocess.Popen[str], int]":
    """Start everything on a data directory and wait until it runs."""
    before = output_of(directory).count("is running at") if (directory / "output").exists() else 0
    runner, port = run(directory, **environment)

    def is_up() -> bool:
        return output_of(directory).count("is running at") > before

    eventually(lambda: is_up() or runner.poll() is not None, seconds=180)
    assert is_up(), output_of(directory)
    return runner, port


def status(port: int, path: str = "/healthz") -> int:
    """Ask a server for a path, and return the status of its answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def ask(url: str, statement: str) -> Any:
    """Execute one statement on a connection of its own, and return the first value of its answer, if any."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def output_of(directory: Path) -> str:
    """Return what the processes started for a directory have written so far."""
    return (directory / "output").read_text()
