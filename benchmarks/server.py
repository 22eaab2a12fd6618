"""The product as the benchmarks run it: its commands, its web server, and a load on it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sensenova_billing.dev_server.parent_death import tied_to_caller
from sensenova_billing.dev_server.secret_key import new_secret_key


def manage(url: str, *arguments: str, code: str = "", build: Path | None = None, **environment: str) -> str:
    """Run a command of manage.py and return what it says; end with its complaint if it fails.

    Another build than this one runs in its own directory and environment.
    """
    completed = subprocess.run(
        [_python(build), "manage.py", *arguments],
        cwd=build,
        env=os.environ | {"DATABASE_URL": url} | environment,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise SystemExit(completed.stderr)
    return completed.stdout


def _python(build: Path | None) -> str:
    return str(build / ".venv/bin/python") if build else sys.executable


CONNECTIONS = 512
# As many threads as `make run` gives a web process behind the proxy.
BEHIND_PROXY = 160


@contextmanager
def web(
    url: str,
    *,
    application: str = "sensenova_billing.wsgi:application",
    workers: int = 2,
    threads: int = BEHIND_PROXY,
    log: IO[str] | None = None,
    build: Path | None = None,
    **more: str,
) -> Iterator[tuple[int, int]]:
    """Serve as `make run` does and give the port and the process; `more` goes to its environment.

    What it logs goes to the terminal unless there is a file for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(_python(build), "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
        *("--blocking-threads", str(threads), "--backlog", "1024", "--backpressure", str(CONNECTIONS)),
        # A worker has been seen to sleep through the signal to end, for good.
        *("--workers-kill-timeout", "3"),
        *("--log-level", "error", application),
    ]
    environment = os.environ | {
        "DATABASE_URL": url,
        "SECRET_KEY": new_secret_key(),
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "SENSENOVA_UNDER_RUNNER": "1",
        "LOG_LEVEL": "ERROR",
        # A Redis that waits for its turn on a busy machine is not away.
        "REDIS_TIMEOUT_MILLISECONDS": "5000",
        **more,
    }
    # A session of its own, as the runner gives it: by that its workers know their server.
    server = subprocess.Popen(
        command, cwd=build, env=environment, stderr=log, start_new_session=True, preexec_fn=tied_to_caller()
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.poll() is not None:
                    raise SystemExit("The web server did not start.") from None
                time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


@dataclass(frozen=True)
class Measured:
    """What a load measured; times in milliseconds."""

    answers: int
    seconds: float
    median: float
    slowest: float  # of the fastest 99 %
    refused: int  # answers with 429

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def drive(
    port: int,
    path: str,
    key: str,
    bodies: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float = 0,
) -> Measured:
    """Post these bodies over and over, from another process, as fast as they are answered or at a rate."""
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.load"),
            *(str(port), path, key, str(connections), str(seconds), str(rate)),
        ],
        input=b"".join(b"%08d" % len(body) + body for body in bodies),
        capture_output=True,
        check=False,
    )
    if completed.returncode:
        raise SystemExit(completed.stderr.decode())
    answers, elapsed, median, slowest, refused = completed.stdout.split()
    return Measured(int(answers), float(elapsed), float(median), float(slowest), int(refused))
