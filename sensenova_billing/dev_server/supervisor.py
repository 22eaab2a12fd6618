"""Everything that the product needs, as children of one process: PostgreSQL, web server, worker and clock.

A child that ends is started again. When the runner ends, so do all of them: in order if it is stopped,
through `parent_death` if it is killed.
"""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import (
    FOR_UNREACHABLE_CHECKOUTS,
    REPOSITORY,
    StartFailed,
    data_directory,
    held,
    make_reachable,
)
from sensenova_billing.dev_server.parent_death import UNDER_RUNNER, tied_to_caller
from sensenova_billing.dev_server.proxy import proxy_command, proxy_environment
from sensenova_billing.dev_server.secret_key import store_secret_key
from sensenova_billing.dev_server.server_address import announced, local_url

Process = subprocess.Popen[bytes]
Report = Callable[[str], None]

WEB_PROCESSES = 2
# Ten seconds are promised for a stop; these patiences together stay below. A worker that is killed loses
# nothing: its transaction is rolled back, and the next sweep finds what there is to do.
SECONDS_TO_STOP = {"beat": 1.0, "worker": 3.0, "proxy": 0.3, "web": 3.5, "postgresql": 2.0}
SECONDS_TO_ANSWER = 60
LONGEST_PAUSE = 30
# A child that has run this long was well: its next failure counts as its first.
SECONDS_TO_BE_WELL = 60
WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class StartOptions:
    """The options of one start."""

    directory: Path
    address: str
    port: int
    own_database: bool  # no DATABASE_URL is set, so the embedded server is ours to run
    demo: bool
    connections: int  # of each web process
    threads: int  # of each web process
    proxy: str | None = None  # HAProxy's program; without one clients reach the web server itself
    web_port: int = 0  # where the web server listens behind the proxy

    @property
    def url(self) -> str:
        """Return the address for a browser on this machine."""
        return local_url(address=self.address, port=self.port)


@dataclass
class Child:
    """One supervised process, and when to start it again."""

    name: str
    start: Callable[[], Process]
    process: Process
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    again_at: float | None = None


def run(options: StartOptions, report: Report) -> None:
    """Start everything and keep it running until this process is stopped."""
    postgres.stop_in_order_on_signals()
    _check_port(options)
    make_reachable(options.directory)
    with held(options.directory), ExitStack() as stops:
        children: list[Child] = []
        stops.callback(_stop_all, children, report)
        if not os.environ.get("SECRET_KEY"):
            store_secret_key(options.directory)
        _start_all(options, children, report)
        stops.enter_context(announced(options.directory, options.url))
        report(f"SenseNova Billing is running at {options.url} (Ctrl-C stops it).")
        if options.demo:
            # It is filled through the public API while everything already runs, and ends by itself.
            demo = _manage("demo", "--url", options.url)
            stops.callback(demo.kill)
        else:
            report("If there is no account yet, make the first admin in another terminal:")
            report(f"  {_variables()}.venv/bin/python manage.py createsuperuser")
            report(f"and sign in at {options.url}/admin/.")
        while True:
            for child in children:
                _look_after(child, options.directory, report)
            time.sleep(0.2)


def _variables() -> str:
    """Return what another terminal has to set for manage.py to find the same data."""
    chosen = os.environ.get("SENSENOVA_DATA_DIR")
    return f"SENSENOVA_DATA_DIR={shlex.quote(str(data_directory()))} " if chosen else ""


def _start_all(options: StartOptions, children: list[Child], report: Report) -> None:
    report(f"Data and logs are in {options.directory}.")
    if "SENSENOVA_DATA_DIR" in os.environ:
        report(f"Commands in other terminals find them with {_variables().strip()} set as well.")
    if FOR_UNREACHABLE_CHECKOUTS in options.directory.parents:
        report("(Not in the checkout: run by root, PostgreSQL runs as nobody, which cannot reach it.)")
    if options.own_database:
        report("Starting PostgreSQL...")
        children.append(_child("postgresql", partial(postgres.start, options.directory)))
    report("Preparing the database...")
    if _manage("prepare").wait() != 0:
        raise StartFailed("`manage.py prepare` failed, so nothing was started.")
    report("Starting the web server, the worker and the clock...")
    for name, command in _commands(options).items():
        children.append(_child(name, partial(_launch, options, name, command)))
        if name in ("web", "proxy"):
            _wait_for_answer(options, children[-1])
    if options.proxy:
        report("HAProxy is in front: requests that take longer than 20 s to arrive are ended.")
    else:
        report("No proxy is in front: slow connections are not ended (docs/operations.md, Slow connections).")


def _child(name: str, start: Callable[[], Process]) -> Child:
    return Child(name=name, start=start, process=start())


def _commands(options: StartOptions) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-A", "sensenova_billing"]
    schedule = str(options.directory / "celerybeat-schedule")
    address, port = ("127.0.0.1", options.web_port) if options.proxy else (options.address, options.port)
    commands = {
        "web": [
            *(*python, "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
            *("--host", address, "--port", str(port)),
            *("--workers", str(WEB_PROCESSES), "--blocking-threads", str(options.threads)),
            *("--backlog", "1024", "--backpressure", str(options.connections)),
            *("--respawn-failed-workers", "--workers-kill-timeout", "3"),
            "sensenova_billing.wsgi:application",
        ],
        "worker": [
            *(*celery, "worker", "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),  # no other worker listens
        ],
        "beat": [*celery, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "INFO"],
    }
    if options.proxy:
        return {"web": commands.pop("web"), "proxy": proxy_command(options.proxy), **commands}
    return commands


def _launch(options: StartOptions, name: str, command: list[str]) -> Process:
    log = postgres.open_log(options.directory, name)
    try:
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=_environment(options, name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C at the terminal is for the runner, which stops them in order
            preexec_fn=tied_to_caller(),
        )
    finally:
        os.close(log)


def _environment(options: StartOptions, name: str) -> dict[str, str]:
    """Return the children's environment: they answer to every name under which they are reachable."""
    names = ["localhost", "127.0.0.1", "[::1]", options.address]
    if options.address in WILDCARDS:
        names += _names_of_this_machine()
    work = "page" if name == "web" else "closing"
    environment = {"ALLOWED_HOSTS": ",".join(names), UNDER_RUNNER: "1", "SENSENOVA_WORK": work, **os.environ}
    if options.proxy and name == "web":
        trusted = ["127.0.0.1", os.environ.get("TRUSTED_PROXIES", "")]
        environment["TRUSTED_PROXIES"] = ",".join(filter(None, trusted))
    if options.proxy and name == "proxy":
        environment |= proxy_environment(
            address=options.address, port=options.port, upstream=options.web_port
        )
    return environment


def _names_of_this_machine() -> list[str]:
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return [name]
    addresses = {str(address[0]) for *_, address in found}
    return [name, *sorted(f"[{address}]" if ":" in address else address for address in addresses)]


def _manage(*arguments: str) -> Process:
    """Start a command of manage.py and let its output through."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, preexec_fn=tied_to_caller())


def free_port() -> int:
    """Return a port of this machine's own address that nothing listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def _check_port(options: StartOptions) -> None:
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((options.address, options.port))
        except OSError as taken:
            raise StartFailed(
                f"Cannot listen on {options.address} port {options.port} ({taken.strerror}): "
                "choose others with ADDRESS and PORT, for example PORT=8080."
            ) from taken


def _wait_for_answer(options: StartOptions, web: Child) -> None:
    host = options.url.removeprefix("http://").rpartition(":")[0].strip("[]")
    port = options.port
    if options.proxy and web.name == "web":
        host, port = "127.0.0.1", options.web_port
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < deadline and web.process.poll() is None:
        if _answers(host, port):
            return
        time.sleep(0.05)
    raise StartFailed(f"The web server does not answer, see {options.directory / 'log' / web.name}.log.")


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _look_after(child: Child, directory: Path, report: Report) -> None:
    """Start a child again that has ended: at once, and after failing again and again after longer pauses."""
    now = time.monotonic()
    if child.again_at is not None:
        if now >= child.again_at:
            _start_again(child, directory, report)
    elif child.process.poll() is not None:
        child.failures = 0 if now - child.started > SECONDS_TO_BE_WELL else child.failures
        _pause(child, f"ended with {child.process.returncode}", directory, report)


def _start_again(child: Child, directory: Path, report: Report) -> None:
    try:
        child.process = child.start()
    except StartFailed as failure:
        _pause(child, str(failure), directory, report)
    else:
        child.started, child.again_at = time.monotonic(), None


def _pause(child: Child, reason: str, directory: Path, report: Report) -> None:
    pause = min(2**child.failures - 1, LONGEST_PAUSE)
    child.failures += 1
    child.again_at = time.monotonic() + pause
    when = f"in {pause} s" if pause else "now"
    report(f"{child.name} {reason}; it is started again {when}, see {directory / 'log' / child.name}.log.")


def _stop_all(children: list[Child], report: Report) -> None:
    """Stop the children, last started first; a child that takes too long is killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough
    if children:
        report("Stopping...")
    for child in reversed(children):
        if child.name == "postgresql":
            postgres.stop(child.process, seconds=SECONDS_TO_STOP[child.name])
        else:
            _stop(child)


def _stop(child: Child) -> None:
    child.process.terminate()
    try:
        child.process.wait(SECONDS_TO_STOP[child.name])
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait()
