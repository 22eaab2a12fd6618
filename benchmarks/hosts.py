"""`make bench-hosts`: how long three web hosts go on by what was changed in the database, each by itself.

Everything runs on this machine: PostgreSQL in a throw-away directory and three granians on ports of their
own, each with two processes, as on three hosts. Every kind of request is sent to every one of them over and
over, each time over a new connection, so that all processes answer. Meanwhile another process changes what
decides the answers. The time is from the commit to the beginning of the last request that was answered as
before.
"""

import argparse
import datetime as dt
import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.server import manage, web
from sensenova_billing.dev_server.postgres import throwaway_server

HOSTS = 3
SECONDS_BETWEEN_REQUESTS = 0.05
SECONDS_BEFORE = 1.5
SECONDS_AFTER = 4

PREPARE = """
import datetime as dt
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from django.utils import timezone
from pricing.models import CallSpecification, Service
since = timezone.now() - dt.timedelta(hours=1)
with audit_context(by="bench", reason="A benchmark."):
    for name in ("plain", "limited", "suspended", "capped"):
        customer = Customer.objects.create(code=f"{name}-ROUND", name=name)
        CallSpecification.objects.create(
            service=Service.objects.get(name="SenseChat-5"), customer=customer, rpm=1_000_000, tpm=None,
            begins_at=since,
        )
for name in ("revoked", "lasting"):
    print(issue_service_key(name=name, scopes=["calls:admit", "usage:write", "billing:read"])[1])
"""
# Each block is a commit, and prints the change and when it was there.
CHANGE = """
import time
from decimal import Decimal
from accounts.audit.context import audit_context
from accounts.api_keys.keys import revoke_service_key
from accounts.models import Customer, ServiceKey
from django.utils import timezone
from invoices.budgets.changes import set_budget
from pricing.changes.apply import AT_ONCE, apply_rows
from pricing.changes.limit_commands import add_limits
from pricing.changes.price_commands import change_price
from pricing.models import BillingItem, Service
service = Service.objects.get(name="SenseChat-5")
item = BillingItem.objects.get(service=service, measure="input_tokens")
names = ("plain", "limited", "suspended", "capped")
found = {name: Customer.objects.get(code=f"{name}-ROUND") for name in names}
now = timezone.now()

with audit_context(by="bench", reason="A benchmark."):
    revoke_service_key(key=ServiceKey.objects.get(public_id="KEY"), now=now)
print("revoked", time.time())

add_limits(service=service, customer=found["limited"], rpm=500_000, tpm=None, begins_at=None, ends_at=None,
           by="bench", reason="A benchmark.")
print("limited", time.time())

rows = change_price(item=item, customer=found["plain"], kind="list_price", unit_price=Decimal("0.01"),
                    unit_size=1000, begins_at=AT_ONCE, ends_at=None)
apply_rows(rows=rows, by="bench", reason="A benchmark.", now=now, confirmed=True)
print("priced", time.time())

with audit_context(by="bench", reason="A benchmark."):
    Customer.objects.filter(pk=found["suspended"].pk).update(is_suspended=True)
print("suspended", time.time())

set_budget(customer=found["capped"], service=None, period="month", amount=Decimal("0.01"), alerts_at=[],
           is_cap=True, by="bench", now=timezone.now())
print("capped", time.time())
"""
IN_WORDS = {
    "revoked": "a service key is revoked",
    "limited": "call limits are changed",
    "priced": "a price is changed",
    "suspended": "a customer is suspended",
    "capped": "a budget that stops calls is set",
}


@dataclass
class Probe:
    """One kind of request to one host, and its answers: when each was asked for, and what it was."""

    change: str
    request: str
    host: int
    key: str
    body: Callable[[], Mapping[str, Any]]
    answers: list[tuple[float, str]] = field(default_factory=list)

    def ask(self, port: int) -> None:
        """Ask once, over a connection of its own."""
        began = time.time()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", self.request, json.dumps(self.body()), headers)
            response = connection.getresponse()
            payload = json.loads(response.read())
        finally:
            connection.close()
        limit = response.getheader("x-ratelimit-limit-requests") if response.status == 200 else None
        error = payload.get("error", {}).get("code")
        shown = [response.status, limit and f"{limit} RPM", payload.get("total"), error]
        self.answers.append((began, " ".join(str(one) for one in shown if one)))


@dataclass(frozen=True)
class Obeyed:
    """What the hosts answered before and after a change, and seconds until the last of each did."""

    change: str
    request: str
    before: set[str]
    after: set[str]
    seconds: list[float]


def probes(number: int, revoked: str, lasting: str) -> list[Probe]:
    """Return every kind of request to every host."""
    reports = itertools.count()

    def call(customer: str) -> Callable[[], Mapping[str, Any]]:
        return lambda: {
            "customer": f"{customer}-{number}",
            "service": "SenseChat-5",
            "estimated_tokens": 10_000,
        }

    def report(customer: str) -> Callable[[], Mapping[str, Any]]:
        return lambda: {
            "event_id": f"{number}-{next(reports)}",
            "customer": f"{customer}-{number}",
            "service": "SenseChat-5",
            "occurred_at": dt.datetime.now(dt.UTC).isoformat(),
            "input_tokens": 10,
        }

    def estimate() -> Mapping[str, Any]:
        usage = {"service": "SenseChat-5", "input_tokens": 1000}
        return {"customer": f"plain-{number}", "usage": [usage]}

    kinds = [
        ("revoked", "/api/v1/usage", revoked, report("plain")),
        ("revoked", "/api/v1/calls", revoked, call("plain")),
        ("limited", "/api/v1/calls", lasting, call("limited")),
        ("priced", "/api/v1/estimates", lasting, estimate),
        ("suspended", "/api/v1/calls", lasting, call("suspended")),
        ("suspended", "/api/v1/usage", lasting, report("suspended")),
        ("capped", "/api/v1/calls", lasting, call("capped")),
    ]
    return [Probe(*kind[:2], host, *kind[2:]) for kind in kinds for host in range(HOSTS)]


@contextmanager
def asking(asked: Sequence[Probe], ports: Sequence[int]) -> Iterator[None]:
    """Ask everything over and over while the block runs."""
    over = threading.Event()

    def go_on(probe: Probe) -> None:
        while not over.is_set():
            probe.ask(ports[probe.host])
            over.wait(SECONDS_BETWEEN_REQUESTS)

    threads = [threading.Thread(target=go_on, args=[probe], daemon=True) for probe in asked]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def measure(url: str, ports: Sequence[int], *, number: int = 0) -> list[Obeyed]:
    """Make every change once while all hosts are asked, and return how long each went on as before."""
    revoked, lasting = manage(url, "shell", "-v0", code=PREPARE.replace("ROUND", str(number))).split()[-2:]
    asked = probes(number, revoked, lasting)
    change = CHANGE.replace("ROUND", str(number)).replace("KEY", revoked.split("_")[2])
    with asking(asked, ports):
        time.sleep(SECONDS_BEFORE)
        printed = manage(url, "shell", "-v0", code=change)
        time.sleep(SECONDS_AFTER)
    committed = dict(line.split() for line in printed.splitlines() if line.split(" ")[0] in IN_WORDS)
    kinds = list(dict.fromkeys((probe.change, probe.request) for probe in asked))
    return [
        _obeyed(
            [probe for probe in asked if (probe.change, probe.request) == kind], float(committed[kind[0]])
        )
        for kind in kinds
    ]


def _obeyed(same: Sequence[Probe], committed: float) -> Obeyed:
    # Before: what was asked for well before the commit.
    before = {answer for probe in same for at, answer in probe.answers if at < committed - 0.5}
    after = {probe.answers[-1][1] for probe in same}
    last = [max((at for at, answer in probe.answers if answer in before), default=0) for probe in same]
    return Obeyed(same[0].change, same[0].request, before, after, [max(0, at - committed) for at in last])


def show(rounds: Sequence[Sequence[Obeyed]]) -> None:
    """Print a row for each change and kind of request: the longest time of each host."""
    hosts = " | ".join(f"host {number + 1}, s" for number in range(HOSTS))
    sys.stdout.write(f"| change | request | before | after | {hosts} |\n|{'---|' * (4 + HOSTS)}\n")
    for same in zip(*rounds, strict=True):
        first = same[0]
        if first.before == first.after:
            longest = ["as before"] * HOSTS
        else:
            longest = [f"{max(seconds):.2f}" for seconds in zip(*(one.seconds for one in same), strict=True)]
        words = [", ".join(sorted(answers)) for answers in (first.before, first.after)]
        cells = [IN_WORDS[first.change], f"`{first.request}`", *words, *longest]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")


def main() -> None:
    """Measure several rounds and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with throwaway_server() as url, ExitStack() as stack:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        ports = [stack.enter_context(web(url))[0] for _ in range(HOSTS)]
        show([measure(url, ports, number=number) for number in range(options.rounds)])


if __name__ == "__main__":
    main()
