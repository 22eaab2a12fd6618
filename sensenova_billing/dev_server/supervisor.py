"""Everything that the product needs, as children of one process: PostgreSQL, web server, worker and clock.

A child that ends is started again. When the runner ends, so do all of them: in order if it is told to stop,
through `lifeline` if it is killed.
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
Tell = Callable[[str], None]

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
class Plan:
    """What one start is asked to do."""

    directory: Path
    address: str
    port: int
    own_database: bool  # nobody named another, so the embedded server is ours to run
    demo: bool
    connections: int  # of each web process
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


def run(plan: Plan, tell: Tell) -> None:
    """Start everything and keep it running until this process is told to stop."""
    postgres.stop_in_order_on_signals()
    _check_port(plan)
    make_reachable(plan.directory)
    with held(plan.directory), ExitStack() as stops:
        children: list[Child] = []
        stops.callback(_stop_all, children, tell)
        if not os.environ.get("SECRET_KEY"):
            store_secret_key(plan.directory)
        _start_all(plan, children, tell)
        stops.enter_context(announced(plan.directory, plan.url))
        tell(f"SenseNova Billing is running at {plan.url} (Ctrl-C stops it).")
        if plan.demo:
            # It is filled through the public API while everything already runs, and ends by itself.
            demo = _manage("demo", "--url", plan.url)
            stops.callback(demo.kill)
        else:
            tell("If nobody can sign in yet, make the first admin in another terminal:")
            tell(f"  {_variables()}.venv/bin/python manage.py createsuperuser")
            tell(f"and sign in at {plan.url}/admin/.")
        while True:
            for child in children:
                _look_after(child, plan.directory, tell)
            time.sleep(0.2)


def _variables() -> str:
    """Return what another terminal has to set for manage.py to find the same data."""
    chosen = os.environ.get("SENSENOVA_DATA_DIR")
    return f"SENSENOVA_DATA_DIR={shlex.quote(str(data_directory()))} " if chosen else ""


def _start_all(plan: Plan, children: list[Child], tell: Tell) -> None:
    tell(f"Data and logs are in {plan.directory}.")
    if "SENSENOVA_DATA_DIR" in os.environ:
        tell(f"Commands in other terminals find them with {_variables().strip()} set as well.")
    if FOR_UNREACHABLE_CHECKOUTS in plan.directory.parents:
        tell("(Not in the checkout: run by root, PostgreSQL runs as nobody, who cannot reach it.)")
    if plan.own_database:
        tell("Starting PostgreSQL...")
        children.append(_child("postgresql", partial(postgres.start, plan.directory)))
    tell("Preparing the database...")
    if _manage("prepare").wait() != 0:
        raise StartFailed("`manage.py prepare` failed, so nothing was started.")
    tell("Starting the web server, the worker and the clock...")
    for name, command in _commands(plan).items():
        children.append(_child(name, partial(_launch, plan, name, command)))
        if name in ("web", "proxy"):
            _wait_for_answer(plan, children[-1])
    if plan.proxy:
        tell("HAProxy is in front: requests that take longer than 20 s to arrive are ended.")
    else:
        tell("No proxy is in front: slow connections are not ended (docs/operations.md, Slow connections).")


def _child(name: str, start: Callable[[], Process]) -> Child:
    return Child(name=name, start=start, process=start())


def _commands(plan: Plan) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-A", "sensenova_billing"]
    schedule = str(plan.directory / "celerybeat-schedule")
    address, port = ("127.0.0.1", plan.web_port) if plan.proxy else (plan.address, plan.port)
    commands = {
        "web": [
            *(*python, "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
            *("--host", address, "--port", str(port)),
            *("--workers", str(WEB_PROCESSES), "--blocking-threads", str(plan.connections)),
            *("--backlog", "1024", "--backpressure", str(plan.connections)),
            *("--respawn-failed-workers", "--workers-kill-timeout", "3"),
            "sensenova_billing.wsgi:application",
        ],
        "worker": [
            *(*celery, "worker", "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),  # no other worker listens
        ],
        "beat": [*celery, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "INFO"],
    }
    if plan.proxy:
        return {"web": commands.pop("web"), "proxy": proxy_command(plan.proxy), **commands}
    return commands


def _launch(plan: Plan, name: str, command: list[str]) -> Process:
    log = postgres.open_log(plan.directory, name)
    try:
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=_environment(plan, name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C at the terminal is for the runner, which stops them in order
            preexec_fn=tied_to_caller(),
        )
    finally:
        os.close(log)


def _environment(plan: Plan, name: str) -> dict[str, str]:
    """Return the children's environment: they may be asked for by any name under which they are reachable."""
    names = ["localhost", "127.0.0.1", "[::1]", plan.address]
    if plan.address in WILDCARDS:
        names += _names_of_this_machine()
    work = "page" if name == "web" else "closing"
    environment = {"ALLOWED_HOSTS": ",".join(names), UNDER_RUNNER: "1", "SENSENOVA_WORK": work, **os.environ}
    if plan.proxy and name == "web":
        trusted = ["127.0.0.1", os.environ.get("TRUSTED_PROXIES", "")]
        environment["TRUSTED_PROXIES"] = ",".join(filter(None, trusted))
    if plan.proxy and name == "proxy":
        environment |= proxy_environment(address=plan.address, port=plan.port, upstream=plan.web_port)
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


def _check_port(plan: Plan) -> None:
    family = socket.AF_INET6 if ":" in plan.address else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((plan.address, plan.port))
        except OSError as taken:
            raise StartFailed(
                f"Cannot listen on {plan.address} port {plan.port} ({taken.strerror}): "
                "choose others with ADDRESS and PORT, for example PORT=8080."
            ) from taken


def _wait_for_answer(plan: Plan, web: Child) -> None:
    host = plan.url.removeprefix("http://").rpartition(":")[0].strip("[]")
    port = plan.port
    if plan.proxy and web.name == "web":
        host, port = "127.0.0.1", plan.web_port
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < deadline and web.process.poll() is None:
        if _answers(host, port):
            return
        time.sleep(0.05)
    raise StartFailed(f"The web server does not answer, see {plan.directory / 'log' / web.name}.log.")


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _look_after(child: Child, directory: Path, tell: Tell) -> None:
    """Start a child again that has ended: at once, and after failing again and again after longer pauses."""
    now = time.monotonic()
    if child.again_at is not None:
        if now >= child.again_at:
            _start_again(child, directory, tell)
    elif child.process.poll() is not None:
        child.failures = 0 if now - child.started > SECONDS_TO_BE_WELL else child.failures
        _pause(child, f"ended with {child.process.returncode}", directory, tell)


def _start_again(child: Child, directory: Path, tell: Tell) -> None:
    try:
        child.process = child.start()
    except StartFailed as failure:
        _pause(child, str(failure), directory, tell)
    else:
        child.started, child.again_at = time.monotonic(), None


def _pause(child: Child, reason: str, directory: Path, tell: Tell) -> None:
    pause = min(2**child.failures - 1, LONGEST_PAUSE)
    child.failures += 1
    child.again_at = time.monotonic() + pause
    when = f"in {pause} s" if pause else "now"
    tell(f"{child.name} {reason}; it is started again {when}, see {directory / 'log' / child.name}.log.")


def _stop_all(children: list[Child], tell: Tell) -> None:
    """Stop the children, last started first; whoever takes too long is killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough
    if children:
        tell("Stopping...")
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
