"""`make bench-edges`: what slow and large requests do to everybody else, directly and through the proxy.

Everything runs on this machine: PostgreSQL in a throw-away directory, granian with two processes, 500 slow
connections at most, the loads of `benchmarks.large_bodies`, and probes that ask every tenth of a second, each
time over a new connection. No situation lasts longer than 60 seconds.
"""

import argparse
import contextlib
import datetime as dt
import http.client
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.large_bodies import Load, loads, memory_of, send
from benchmarks.server import BEHIND_PROXY, CONNECTIONS, manage, web
from sensenova_billing.dev_server.parent_death import tied_to_caller
from sensenova_billing.dev_server.postgres import throwaway_server
from sensenova_billing.dev_server.proxy import find_proxy, proxy_command, proxy_environment

MOST_CONNECTIONS = 500
MOST_SECONDS = 60
SECONDS_BETWEEN_BYTES = 4
SECONDS_BETWEEN_PROBES = 0.1

PREPARE = """
import datetime as dt
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from django.db import transaction
from django.utils import timezone
from pricing.models import CallSpecification, Service
with transaction.atomic(), audit_context(by="bench", reason="A benchmark."):
    customer = Customer.objects.create(code="edge", name="Edge")
    CallSpecification.objects.create(
        service=Service.objects.get(name="SenseChat-5"), customer=customer, rpm=2_000_000_000,
        tpm=2_000_000_000, begins_at=timezone.now() - dt.timedelta(hours=1),
    )
print(issue_service_key(name="bench", scopes=["calls:admit", "usage:write"])[1])
"""


@dataclass
class Probe:
    """One kind of request that goes on meanwhile, and its answers."""

    name: str
    method: str
    path: str
    body: Callable[[], bytes | None]
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def ask(self, port: int, key: str) -> None:
        """Ask once, over a connection of its own."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=MOST_SECONDS)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            connection.request(self.method, self.path, self.body(), headers)
            response = connection.getresponse()
            response.read()
            status = str(response.status)
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        finally:
            connection.close()
        self.times.append((time.perf_counter() - began) * 1000)
        self.statuses[status] += 1

    def __str__(self) -> str:
        """Return p50 and p99 in milliseconds, and every status but 200."""
        slowest = statistics.quantiles(self.times, n=100, method="inclusive")[98]
        others = "".join(
            f", {number} x {status}" for status, number in self.statuses.items() if status != "200"
        )
        return f"{statistics.median(self.times):.0f} / {slowest:.0f}{others}"


def probes() -> list[Probe]:
    """Return what is asked meanwhile: health, a page, an admission and a report."""
    call = json.dumps({"customer": "edge", "service": "SenseChat-5", "estimated_tokens": 100}).encode()
    return [
        Probe("/healthz", "GET", "/healthz", lambda: None),
        Probe("page", "GET", "/prices", lambda: None),
        Probe("admission", "POST", "/api/v1/calls", lambda: call),
        Probe("report", "POST", "/api/v1/usage", report),
    ]


def report() -> bytes:
    """Return a record that is new."""
    record = {
        "event_id": str(uuid.uuid4()),
        "customer": "edge",
        "service": "SenseChat-5",
        "occurred_at": dt.datetime.now(dt.UTC).isoformat(),
        "input_tokens": 100,
        "output_tokens": 10,
    }
    return json.dumps(record).encode()


@contextmanager
def probing(port: int, key: str) -> Iterator[list[Probe]]:
    """Ask everything over and over while the block runs."""
    asked, over = probes(), threading.Event()

    def go_on(probe: Probe) -> None:
        while not over.is_set():
            probe.ask(port, key)
            over.wait(SECONDS_BETWEEN_PROBES)

    threads = [threading.Thread(target=go_on, args=[probe], daemon=True) for probe in asked]
    for thread in threads:
        thread.start()
    yield asked
    over.set()
    for thread in threads:
        thread.join(MOST_SECONDS)


def hold_slow(port: int, sent: bytes, goes_on: bool, connections: int, seconds: float, cut: Any) -> None:
    """Open connections, send the same beginning over each, and then a byte now and then, or nothing."""
    held = []
    for _ in range(min(connections, MOST_CONNECTIONS)):
        connection = socket.create_connection(("127.0.0.1", port), timeout=MOST_SECONDS)
        connection.sendall(sent)
        connection.setblocking(False)
        held.append(connection)
    until = time.monotonic() + min(seconds, MOST_SECONDS)
    ended: set[int] = set()
    while time.monotonic() < until:
        time.sleep(min(SECONDS_BETWEEN_BYTES, max(0, until - time.monotonic())))
        for number, connection in enumerate(held):
            if number not in ended and _is_over(connection, goes_on):
                ended.add(number)
    cut.value = len(ended)
    for connection in held:
        connection.close()


def _is_over(connection: socket.socket, goes_on: bool) -> bool:
    """Send a byte more if it goes on; whether the server has answered or ended the connection."""
    try:
        if goes_on:
            connection.send(b"x")
        connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@dataclass(frozen=True)
class Situation:
    """Something that goes on beside the probes; `run` returns what became of it, in words."""

    name: str
    run: Callable[[int, str, float], str]


def slow(connections: int, *, path: str, goes_on: bool, whole_head: bool = True) -> Callable[..., str]:
    """Return what holds so many slow connections."""

    def run(port: int, key: str, seconds: float) -> str:
        sent = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        if whole_head:
            sent += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        cut = multiprocessing.Value("i", 0)
        process = multiprocessing.Process(
            target=hold_slow, args=[port, sent.encode(), goes_on, connections, seconds, cut]
        )
        process.start()
        process.join()
        return f"{cut.value} of {connections} ended after {seconds:.0f} s"

    return run


def large(load: Load) -> Callable[..., str]:
    """Return what sends a load of large bodies."""

    def run(port: int, key: str, seconds: float) -> str:
        statuses: Counter[str] = Counter()
        threads = [
            threading.Thread(target=lambda: statuses.update([send(port, load, key)]), daemon=True)
            for _ in range(load.requests)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, began + MOST_SECONDS - time.monotonic()))
        answers = ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))
        return f"{answers} in {time.monotonic() - began:.1f} s"

    return run


def quiet(port: int, key: str, seconds: float) -> str:
    """Do nothing for a while."""
    time.sleep(min(seconds, 10))
    return ""


def situations(connections: int) -> list[Situation]:
    """Return everything that is measured."""
    usage = "/api/v1/usage"
    return [
        Situation("nothing", quiet),
        Situation(f"{connections} bodies, a byte each 4 s", slow(connections, path=usage, goes_on=True)),
        Situation(f"{connections} bodies that stop", slow(connections, path=usage, goes_on=False)),
        Situation(f"{connections} forms that stop", slow(connections, path="/sign-in", goes_on=False)),
        Situation(
            f"{connections} heads that stop", slow(connections, path=usage, goes_on=False, whole_head=False)
        ),
        *(Situation(f"{load.requests} x {load.name}", large(load)) for load in loads()),
    ]


@contextmanager
def in_front(port: int) -> Iterator[int]:
    """Put the proxy in front of the web server and give its port."""
    program = find_proxy() or ""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    environment = proxy_environment(address="127.0.0.1", port=own, upstream=port)
    proxy = subprocess.Popen(
        proxy_command(program),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=tied_to_caller(),
    )
    try:
        while not _answers(own):
            time.sleep(0.1)
        yield own
    finally:
        proxy.terminate()
        proxy.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def measure(situation: Situation, url: str, key: str, *, proxied: bool, seconds: float) -> str:
    """Return a line of the table, from a web server of its own."""
    trusted, threads = ("127.0.0.1", BEHIND_PROXY) if proxied else ("", CONNECTIONS)
    with (
        web(url, threads=threads, TRUSTED_PROXIES=trusted) as (port, server),
        in_front(port) if proxied else contextlib.nullcontext(port) as entry,
        watched(server) as memory,
    ):
        for probe in probes():
            for _ in range(20):
                probe.ask(entry, key)
        with probing(entry, key) as asked:
            became = situation.run(entry, key, seconds)
    cells = [*map(str, asked), f"{memory[0]:,.0f} -> {max(memory):,.0f}", became]
    return f"| {situation.name} | {' | '.join(cells)} |\n"


@contextmanager
def watched(server: int) -> Iterator[list[float]]:
    """Give the memory of the web processes, in MiB, every tenth of a second."""
    memory, over = [memory_of(server)], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            memory.append(memory_of(server))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield memory
    over.set()
    thread.join()


def main() -> None:
    """Print a table for each way in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=MOST_CONNECTIONS)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--only", default="", help="situations whose name holds this")
    options = parser.parse_args()
    say = sys.stdout.write
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        key = manage(url, "shell", "-v0", code=PREPARE).split()[-1]
        for proxied in (False, True):
            if proxied and not find_proxy():
                say("\nNo proxy: install Debian's haproxy to measure it.\n")
                continue
            say(
                f"\n{'Through the proxy' if proxied else 'Directly'}"
                " (p50 / p99 in ms; 200 unless another status is named):\n\n"
            )
            say("| meanwhile | /healthz | page | admission | report | memory, MiB | what became of it |\n")
            say(f"|{'---|' * 7}\n")
            for situation in situations(min(options.connections, MOST_CONNECTIONS)):
                if options.only in situation.name:
                    say(measure(situation, url, key, proxied=proxied, seconds=options.seconds))
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
