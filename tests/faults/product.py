"""The whole product as real processes: whatever ends is started again, with the clock that it is to have."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import REPOSITORY, StartFailed
from sensenova_billing.dev_server.parent_death import UNDER_RUNNER, tied_to_caller
from sensenova_billing.dev_server.secret_key import new_secret_key
from tests.faults.clock import FastClock
from tests.sensenova_billing.processes import ask

Process = subprocess.Popen[bytes]

APPLICATION = "sensenova_billing"
WEB_APPLICATION = "sensenova_billing.wsgi:application"
WEB_WORKERS = 2
WORKERS = ("worker 1", "worker 2")
BEATS = ("beat 1", "beat 2")
SECONDS_TO_STOP = 5


@dataclass
class Product:
    """PostgreSQL, the web server, two workers and two beats on one directory.

    It has to be started, looked after and stopped by one and the same thread: they all end with it.
    """

    directory: Path
    clock: FastClock
    port: int
    closers: str = APPLICATION  # the Celery application of the workers
    web: str = WEB_APPLICATION
    secret_key: str = field(default_factory=new_secret_key)
    offsets: dict[str, int] = field(default_factory=dict)  # by how many seconds a process's clock is wrong
    children: dict[str, Process] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        """Return the database's URL."""
        return postgres.database_url(self.directory)

    def prepare(self) -> None:
        """Start PostgreSQL, with every table and the catalogue."""
        process = postgres.start(self.directory)
        # Tells the checker when an hour was closed, whatever its closer took for the time.
        ask(self.url, "ALTER SYSTEM SET track_commit_timestamp = on")
        postgres.stop(process)
        self.children["postgresql"] = postgres.start(self.directory)
        self.manage("migrate", "--verbosity", "0")
        self.manage("load_catalogue")

    def start(self) -> None:
        """Start everything else."""
        for name in self._commands():
            self.children[name] = self._launch(name)

    def look_after(self) -> None:
        """Start again what has ended."""
        for name, process in list(self.children.items()):
            if process.poll() is None:
                continue
            try:
                self.children[name] = self._launch(name)
            except StartFailed:
                continue  # killed while it started
            self.restarts[name] += 1

    def stop(self) -> None:
        """Stop everything, the database last."""
        for name in reversed(self.children):
            process = self.children[name]
            if name == "postgresql":
                postgres.stop(process)
                continue
            process.terminate()
            try:
                process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py and return what it printed."""
        finished = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            said = f"{finished.stdout}{finished.stderr}"
            raise StartFailed(f"`manage.py {arguments[0]}` failed: {said}")
        return finished.stdout

    def unverified(self) -> str:
        """Return what `verify_books` finds, empty where the books are right."""
        try:
            self.manage("verify_books", "--rerate")
        except StartFailed as failed:
            return str(failed)
        return ""

    def environment(self, name: str = "") -> dict[str, str]:
        """Return the environment of one of the processes."""
        return os.environ | {
            "SENSENOVA_DATA_DIR": str(self.directory),
            "DATABASE_URL": self.url,
            "SECRET_KEY": self.secret_key,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            UNDER_RUNNER: "1",
            "CLOCK_SPEED": str(self.clock.speed),
            "CLOCK_ORIGIN": self.clock.origin.isoformat(),
            "CLOCK_OFFSET_SECONDS": str(self.offsets.get(name, 0)),
            "CLOSING_GRACE_MINUTES": "0",
        }

    def _commands(self) -> dict[str, list[str]]:
        celery = ["celery", "-A", self.closers]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        return {
            "web": [
                *("granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--workers", str(WEB_WORKERS), "--blocking-threads", "64"),
                *("--respawn-failed-workers", "--workers-kill-timeout", "1"),
                self.web,
            ],
            **{
                name: [*celery, "worker", "--hostname", f"{name.replace(' ', '-')}@%h", *quiet]
                for name in WORKERS
            },
            **{
                name: [*celery, "beat", "--pidfile", "", "--schedule", str(self.directory / name)]
                for name in BEATS
            },
        }

    def _launch(self, name: str) -> Process:
        if name == "postgresql":
            return postgres.start(self.directory)
        log = postgres.open_log(self.directory, name)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", *self._commands()[name]],
                cwd=REPOSITORY,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # by this a process of a pool knows who forked it
                preexec_fn=tied_to_caller(),
            )
        finally:
            os.close(log)

    # --- What a nemesis needs ----------------------------------------------------------------------

    def leaders(self, *names: str) -> list[int]:
        """Return the process ids of these, as far as they run."""
        found = [self.children[name] for name in names if name in self.children]
        return [process.pid for process in found if process.poll() is None]

    def followers(self, *names: str) -> list[int]:
        """Return the process ids of what these have forked: web workers, the processes of a worker's pool."""
        leaders = self.leaders(*names)
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [number for number in numbers if number not in leaders and _session(number) in leaders]

    def family(self, *names: str) -> list[int]:
        """Return both."""
        return self.leaders(*names) + self.followers(*names)

    def put_clock_off(self, name: str, *, seconds: int) -> bool:
        """Let the clock of this one process be off from now on, and every other's right again."""
        changed = {name, *self.offsets}
        if not all(self.leaders(one) for one in changed):
            return False
        self.offsets = {name: seconds}
        for one in changed:
            self.children[one].send_signal(signal.SIGKILL)
        return True


def _session(number: int) -> int:
    try:
        return os.getsid(number)
    except ProcessLookupError:
        return 0


def looking_after(product: Product, *, until: Callable[[], bool], every: float = 0.05) -> None:
    """Look after the product until something holds."""
    while not until():
        product.look_after()
        time.sleep(every)


def tail(directory: Path, names: Sequence[str], *, lines: int = 5) -> str:
    """Return the ends of some logs, for a report of what went wrong."""
    found = []
    for name in names:
        log = directory / "log" / f"{name}.log"
        if log.exists():
            found += [f"--- {name}", *log.read_text(errors="replace").splitlines()[-lines:]]
    return "\n".join(found)
