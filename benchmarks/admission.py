"""`make bench-admission`: how fast calls are admitted, beside an empty view on the same server, in one run.

Everything runs on this machine: PostgreSQL in a throw-away directory (fsync on), a Redis (Valkey, or the one
that REDIS_URL names), for each store a granian with two processes, and the load generator. All rows are
measured in turn, several times, each beside the empty view, so that a slow moment of the machine does not
fall on one of them; the middle one is shown, and beside it all. Ratios are what counts.
"""

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.server import Measured, drive, manage, web
from sensenova_billing.dev_server.postgres import throwaway_server
from tests.redis_server import know_server, redis_server

CONNECTIONS = 128  # as for single posts of usage: as many as the server has threads
ROUNDS = 3
BODIES = 20_000
CUSTOMERS = 1000
SERVICES = 10
POSTGRESQL, REDIS = "PostgreSQL", "Redis"
AIMS = {POSTGRESQL: 0.4, REDIS: 0.6}
AIM_FOR_SLOWEST = 20
SEEDED = random.Random(20261125)

Say = Callable[[str], Any]
Bodies = Sequence[bytes]
Pair = tuple[Measured, Measured]  # the empty view's, and that of admissions


@dataclass
class Row:
    """One kind of load on one store, and what was measured."""

    store: str
    windows: str
    port: int
    bodies: Bodies
    refused: bool = False
    pairs: list[Pair] = field(default_factory=list)
    at_half: list[Pair] = field(default_factory=list)

    def middle(self) -> Pair:
        """Return the pair whose ratio is the middle one."""
        return middle_of(self.pairs, ratio)


def middle_of(pairs: Sequence[Pair], measure_of: Callable[[Pair], float]) -> Pair:
    """Return the pair that is the middle one by this measure."""
    return sorted(pairs, key=measure_of)[len(pairs) // 2]


def ratio(pair: Pair) -> float:
    """How fast admissions are, taken the empty view for 1."""
    empty, admission = pair
    return admission.rate / empty.rate


# Limits that nobody reaches, and one customer's that are reached at once.
PREPARE = f"""
import datetime as dt
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from django.db import transaction
from django.utils import timezone
from pricing.models import CallSpecification, Service
from usage.models import Budget
services = Service.objects.order_by("id")[:{SERVICES}]
since = timezone.now() - dt.timedelta(hours=1)
with transaction.atomic(), audit_context(by="bench", reason="A benchmark."):
    names = ["hot", "refused", "capped", *(f"customer-{{n}}" for n in range({CUSTOMERS}))]
    names += [f"capped-{{n}}" for n in range({CUSTOMERS})]
    Customer.objects.bulk_create(Customer(code=name, name=name) for name in names)
    CallSpecification.objects.bulk_create(
        CallSpecification(service=service, customer=customer, rpm=rpm, tpm=2_000_000_000, begins_at=since)
        for customer in Customer.objects.all()
        for rpm in [1 if customer.code == "refused" else 2_000_000_000]
        for service in services
    )
    Budget.objects.bulk_create(
        Budget(customer=customer, period="month", amount=999_999_999, alerts_at=[], is_cap=True,
               created_at=since)
        for customer in Customer.objects.filter(code__startswith="capped")
    )
print("|".join(service.name for service in services))
print(issue_service_key(name="bench", scopes=["calls:admit"])[1])
"""


def asked(customers: Sequence[str], services: Sequence[str], count: int) -> Bodies:
    """Make calls of any of these customers to any of these services; their ids are made by the product."""
    return [
        json.dumps(
            {
                "customer": SEEDED.choice(customers),
                "service": SEEDED.choice(services),
                "estimated_tokens": SEEDED.randrange(1, 1000),
            }
        ).encode()
        for _ in range(count)
    ]


def rows_of(ports: Mapping[str, int], services: Sequence[str]) -> list[Row]:
    """Return what is to be measured."""
    customers = [f"customer-{number}" for number in range(CUSTOMERS)]
    hot = asked(["hot"], services[:1], 1000)
    many = asked(customers, services, BODIES)
    refused = asked(["refused"], services[:1], 1000)
    return [
        row
        for store, port in ports.items()
        for row in (
            Row(store, "one", port, hot),
            Row(store, f"{CUSTOMERS * len(services):,}", port, many),
            Row(store, "one, refused", port, refused, refused=True),
        )
    ]


def rows_of_caps(ports: Mapping[str, int], services: Sequence[str]) -> list[Row]:
    """Return customers without a budget, and those with one that stops calls, which no call reaches."""
    rows = []
    for store, port in ports.items():
        for words, one, many in (("", "hot", "customer"), (", capped", "capped", "capped")):
            customers = [f"{many}-{number}" for number in range(CUSTOMERS)]
            rows += [
                Row(store, f"one{words}", port, asked([one], services[:1], 1000)),
                Row(store, f"{CUSTOMERS * len(services):,}{words}", port, asked(customers, services, BODIES)),
            ]
    return rows


@contextmanager
def served(url: str) -> Iterator[dict[str, int]]:
    """Serve the same database twice, by a store each, and give their ports."""
    with ExitStack() as stack:
        redis_url = os.environ.get("REDIS_URL") or stack.enter_context(redis_server())
        know_server(redis_url)
        chosen = {POSTGRESQL: "", REDIS: redis_url}
        yield {store: stack.enter_context(web(url, REDIS_URL=at))[0] for store, at in chosen.items()}


def measure(row: Row, key: str, seconds: float, rate: float = 0, path: str = "/api/v1/calls") -> Measured:
    """Return what one load measured, once it is sure that it met the limits as it should."""
    measured = drive(row.port, path, key, row.bodies, connections=CONNECTIONS, seconds=seconds, rate=rate)
    expected = measured.answers if row.refused and path != "/empty" else 0
    if abs(measured.refused - expected) > 2:  # one or two calls a minute are admitted even there
        raise SystemExit(f"{measured.refused} of {measured.answers} calls were refused ({row.windows}).")
    return measured


def measure_in_turn(rows: Sequence[Row], key: str, seconds: float) -> None:
    """Measure every row as fast as it goes, and then at half of that rate, several times in turn."""
    for _ in range(ROUNDS):
        for row in rows:
            row.pairs.append(measure_pair(row, key, seconds))
    for _ in range(ROUNDS):
        for row in rows:
            row.at_half.append(measure_pair(row, key, seconds, row.middle()[1].rate / 2))


def measure_pair(row: Row, key: str, seconds: float, rate: float = 0) -> Pair:
    """Measure a row beside the empty view of the same server."""
    return measure(row, key, seconds, rate, path="/empty"), measure(row, key, seconds, rate)


def say_rates(rows: Sequence[Row], say: Say) -> None:
    """Print how many are admitted as fast as it goes."""
    say(
        "| store | windows | empty view, requests/s | admission, requests/s | ratio | p50, ms | p99, ms"
        " | all ratios |\n"
    )
    say(f"|{'---|' * 8}\n")
    for row in rows:
        empty, admission = row.middle()
        ratios = ", ".join(f"{ratio(pair):.2f}" for pair in row.pairs)
        say(f"| {row.store} | {row.windows} | {empty.rate:,.0f} | {admission.rate:,.0f} ")
        say(f"| {ratio(row.middle()):.2f} | {admission.median:.0f} | {admission.slowest:.0f} | {ratios} |\n")
    say(f"\nThe aims: {', '.join(f'{aim} with {store}' for store, aim in AIMS.items())}.\n")


def say_half_load(rows: Sequence[Row], say: Say) -> None:
    """Print how long answers take at half of the rate that was reached, and the empty view's at that rate."""
    say("\nAt half of that rate, each request due at its own instant:\n\n")
    say("| store | windows | requests/s | p50, ms | p99, ms | all p99 | empty view's p50, ms | p99, ms |\n")
    say(f"|{'---|' * 8}\n")
    for row in rows:
        empty, admission = middle_of(row.at_half, lambda pair: pair[1].slowest)
        slowest = ", ".join(f"{pair[1].slowest:.0f}" for pair in row.at_half)
        say(f"| {row.store} | {row.windows} | {admission.rate:,.0f} | {admission.median:.1f} ")
        say(f"| {admission.slowest:.1f} | {slowest} | {empty.median:.1f} | {empty.slowest:.1f} |\n")
    say(f"\nThe aim: a p99 of less than {AIM_FOR_SLOWEST} ms.\n")


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement; there are 72")
    parser.add_argument(
        "--capped", action="store_true", help="customers with a budget that stops calls beside those without"
    )
    parser.add_argument("--store", choices=[POSTGRESQL, REDIS], help="one of the stores alone")
    options = parser.parse_args()
    say = sys.stdout.write
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        services, key = manage(url, "shell", "-v0", code=PREPARE).splitlines()[-2:]
        with served(url) as ports:
            chosen = {store: port for store, port in ports.items() if options.store in (None, store)}
            rows = (rows_of_caps if options.capped else rows_of)(chosen, services.split("|"))
            for row in rows:
                drive(row.port, "/api/v1/calls", key, row.bodies, connections=CONNECTIONS, seconds=1)
            measure_in_turn(rows, key, options.seconds)
            say_rates(rows, say)
            say_half_load(rows, say)


if __name__ == "__main__":
    main()
