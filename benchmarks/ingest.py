"""`make bench-ingest`: how fast usage enters, beside a bare COPY and an empty view, in one run.

Everything runs on this machine: PostgreSQL in a throw-away directory (fsync on), granian with two
processes, and the load generator. Ratios are what counts; machines differ and are noisy.
"""

import argparse
import datetime as dt
import json
import os
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.server import drive, manage, web
from sensenova_billing.dev_server.postgres import throwaway_server

CUSTOMERS = 1000
SERVICES = ("SenseChat-5", "SenseChat-Turbo", "SenseChat")
BATCHES = (1, 100, 1000, 10_000)
CONNECTIONS = {1: 128, 100: 8, 1000: 4, 10_000: 3}
# Making bodies takes longer than sending them, so a longer run sends them again with other ids.
SECONDS_OF_BODIES = 5
SEEDED = random.Random(20261123)

Report = dict[str, Any]
Say = Callable[[str], Any]


def random_id() -> str:
    """An id as most clients make it."""
    return str(uuid.UUID(int=SEEDED.getrandbits(128), version=4))


def ordered_id() -> str:
    """An id that begins with the time (UUID version 7)."""
    stamp = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=stamp << 80 | 7 << 76 | 2 << 62 | SEEDED.getrandbits(62)))


def reports(count: int, make_id: Callable[[], str]) -> list[Report]:
    """Make calls of the last seconds."""
    now = dt.datetime.now(dt.UTC)
    return [
        {
            "event_id": make_id(),
            "customer": f"customer-{SEEDED.randrange(CUSTOMERS)}",
            "service": SEEDED.choice(SERVICES),
            "occurred_at": (now - dt.timedelta(milliseconds=SEEDED.randrange(3000))).isoformat(),
            "input_tokens": SEEDED.randrange(4000),
            "output_tokens": SEEDED.randrange(900),
        }
        for _ in range(count)
    ]


def copy_text(batch: list[Report]) -> str:
    """The same records as COPY takes them."""
    now = dt.datetime.now(dt.UTC)
    hour = now.replace(minute=0, second=0, microsecond=0).isoformat()
    return "".join(
        f"{int(r['customer'][9:]) + 1}\t{r['event_id']}\t1\t{r['occurred_at']}\t{hour}\t{now.isoformat()}"
        f"\t{r['input_tokens']}\t{r['output_tokens']}\t0\n"
        for r in batch
    )


COPY = (
    "COPY usage_usagerecord (customer_id, event_id, service_id, occurred_at, billing_hour, received_at,"
    " input_tokens, output_tokens, input_characters) FROM STDIN"
)


def bare_copy(url: str, size: int, seconds: float, make_id: Callable[[], str]) -> float:
    """Records a second of one connection that copies batches, each in a transaction of its own."""
    texts = [copy_text(reports(size, make_id)) for _ in range(max(3, int(seconds * 150_000 / size)))]
    with psycopg.connect(url, autocommit=True) as connection:
        began, done = time.perf_counter(), 0
        while texts and time.perf_counter() - began < seconds:
            with connection.cursor().copy(COPY) as copy:
                copy.write(texts.pop())
            done += size
        return done / (time.perf_counter() - began)


def over_http(
    port: int, key: str, size: int, seconds: float, path: str = "/api/v1/usage"
) -> tuple[float, float]:
    """Requests a second over HTTP, and the 99th percentile of an answer in milliseconds."""
    rate = {1: 4000, 100: 90_000}.get(size, 150_000)
    bodies = []
    for _ in range(max(3, int(min(seconds, SECONDS_OF_BODIES) * rate / size))):
        batch = reports(size, random_id)
        bodies.append(json.dumps(batch[0] if size == 1 else batch).encode())
    measured = drive(port, path, key, bodies, connections=CONNECTIONS[size], seconds=seconds)
    if measured.refused:
        raise SystemExit(f"{measured.refused} requests were refused.")
    return measured.rate, measured.slowest


def fill(url: str, records: int) -> None:
    """Put a history of random ids behind the table, with its indexes dropped meanwhile."""
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE indexname = 'records_of_an_hour'"
        ).fetchall()
        connection.execute("ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(
            "INSERT INTO usage_usagerecord (customer_id, event_id, service_id, occurred_at, billing_hour,"
            " received_at, input_tokens, output_tokens, input_characters)"
            " SELECT 1 + n %% %s, gen_random_uuid()::text, 1, at, date_trunc('hour', at, 'UTC'), at,"
            " 400, 120, 0"
            " FROM (SELECT n, now() - interval '30 days' + n * interval '29 days' / %s AS at"
            "       FROM generate_series(1, %s) AS n) AS past",
            [CUSTOMERS, records, records],
        )
        connection.execute("SET maintenance_work_mem = '2GB'")
        connection.execute("ALTER TABLE usage_usagerecord ADD PRIMARY KEY (customer_id, event_id)")
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE usage_usagerecord")
        connection.execute("CHECKPOINT")


PREPARE = f"""
from accounts.models import Customer
from accounts.api_keys.keys import issue_service_key
many = range({CUSTOMERS})
Customer.objects.bulk_create(Customer(code=f"customer-{{n}}", name=f"Customer {{n}}") for n in many)
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("INSERT INTO usage_billinghour (hour, closed_at)"
                   " SELECT date_trunc('hour', now(), 'UTC') - interval '2 hours', now()")
print(issue_service_key(name="bench")[1])
"""


def resident(pid: int) -> int:
    """The memory that the web server's worker processes hold, the largest of them, in MB."""
    workers = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    pages = [int(Path(f"/proc/{worker}/statm").read_text().split()[1]) for worker in workers]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") // 2**20


def measure_memory(port: int, pid: int, key: str, seconds: float, say: Say) -> None:
    """Print how much a web worker grows while it takes batches of 10,000, after two seconds of them."""
    over_http(port, key, 10_000, 2)
    before = resident(pid)
    over_http(port, key, 10_000, seconds)
    say(f"\nThe largest web worker held {before} MB before and {resident(pid)} MB after ")
    say(f"{seconds:.0f} s of batches of 10,000.\n")


def measure_split(url: str, say: Say) -> None:
    """Print where the time of a batch goes."""
    command = [sys.executable, "-m", "benchmarks.split", "4", "1000", "10000"]
    environment = os.environ | {"DATABASE_URL": url, "LOG_LEVEL": "ERROR"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    say(f"\n{completed.stdout}\n")


def measure_single(port: int, key: str, seconds: float, say: Say) -> None:
    """Print single posts beside an empty view, in turn."""
    pairs = []
    for _ in range(3):
        empty, _ = over_http(port, key, 1, seconds / 3, path="/empty")
        single, slow = over_http(port, key, 1, seconds / 3)
        pairs.append((single / empty, single, empty, slow))
    ratio, single, empty, slow = sorted(pairs)[1]
    say(f"Empty view: {empty:,.0f} requests/s. Single posts: {single:,.0f}/s, {ratio:.2f} of it;")
    say(f" p99 {slow:.0f} ms; the ratios of all pairs: {', '.join(f'{pair[0]:.2f}' for pair in pairs)}.\n")


def measure(url: str, port: int, key: str, seconds: float, say: Say) -> None:
    """Print the table of one state of the database."""
    say("| records a batch | bare COPY, records/s | HTTP, records/s | ratio | p99 of an answer, ms |\n")
    say("|---|---|---|---|---|\n")
    for size in BATCHES:
        # The two in turn, twice, so that a slow moment of the machine does not fall on one of them.
        copied, sent, slowest = [], [], []
        for _ in range(2):
            if size > 1:
                copied.append(bare_copy(url, size, seconds / 2, random_id))
            rate, slow = over_http(port, key, size, seconds / 2)
            sent.append(rate * size)
            slowest.append(slow)
        http = statistics.mean(sent)
        copy = statistics.mean(copied) if copied else 0
        beside = f"{copy:,.0f}" if copied else "-"
        ratio = f"{http / copy:.2f}" if copied else "-"
        say(f"| {size:,} | {beside} | {http:,.0f} | {ratio} | {max(slowest):.0f} |\n")


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--history", type=int, default=20_000_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--memory-seconds", type=float, default=60)
    options = parser.parse_args()
    say = sys.stdout.write
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        key = manage(url, "shell", "-v0", code=PREPARE).split()[-1]
        with web(url) as (port, pid):
            over_http(port, key, 100, 2)
            over_http(port, key, 10_000, 5)  # PostgreSQL makes its first files of WAL, which takes longer
            measure_single(port, key, options.seconds * 3, say)
            say("\nAn empty table:\n\n")
            measure(url, port, key, options.seconds, say)
            measure_split(url, say)
            measure_memory(port, pid, key, options.memory_seconds, say)
            sys.stdout.flush()
            if options.history:
                began = time.perf_counter()
                fill(url, options.history)
                made = time.perf_counter() - began
                say(f"\nWith {options.history:,} records of history ({made:.0f} s to make):\n\n")
                sys.stdout.flush()
                measure(url, port, key, options.seconds, say)
                for name, make_id in (("random", random_id), ("time-ordered", ordered_id)):
                    rate = bare_copy(url, 1000, options.seconds, make_id)
                    say(f"\nBare COPY of 1,000 with {name} ids: {rate:,.0f} records/s.\n")


if __name__ == "__main__":
    main()
