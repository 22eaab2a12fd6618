"""`make bench-citus`: usage on Citus beside usage in one PostgreSQL, in turn on the same servers.

CITUS_DATABASE_URL names a database of the coordinator with its workers. Two databases are made there: one on
all nodes with usage distributed, one on the coordinator alone without Citus. What counts is the ratio; where
all nodes share a machine, it is what distribution costs and shows nothing of what more machines gain.
"""

import argparse
import datetime as dt
import os
import statistics
import sys
from collections.abc import Callable

import psycopg

from benchmarks import closing, ingest
from benchmarks.cluster import database_on_all_nodes, database_on_coordinator
from benchmarks.server import manage, web

HOUR = dt.timedelta(hours=1)
KEY = "from accounts.api_keys.keys import issue_service_key; print(issue_service_key(name='bench')[1])"
BARE = """
SELECT customer_id, service_id, count(*), sum(input_tokens), sum(output_tokens)
  FROM usage_usagerecord WHERE billing_hour = %s GROUP BY customer_id, service_id
"""

Measure = Callable[[str, int], float]


def measure_closing(first: dt.datetime, records: int) -> Measure:
    """Return how many seconds an hour of so many records takes to close, by the number of the hour."""

    def measure(url: str, place: int) -> float:
        hour = first + place * HOUR
        with psycopg.connect(url, autocommit=True) as connection:
            closing.fill(connection, hour, HOUR, records)
            connection.execute("ANALYZE usage_usagerecord")
        took, *_, parked = closing.close(url, hour)
        assert not parked
        return took

    return measure


def measure_ingest(port_of: dict[str, tuple[int, str]], size: int, seconds: float) -> Measure:
    """Return how many records a second are stored in batches of this size."""

    def measure(url: str, place: int) -> float:
        port, key = port_of[url]
        rate, _ = ingest.over_http(port, key, size, seconds)
        return rate * size

    return measure


def compare(name: str, measure: Measure, *, plain: str, distributed: str, rounds: int) -> None:
    """Measure both in turn and print a row: the medians, the ratio and that of each pair."""
    pairs = [(measure(plain, place), measure(distributed, place)) for place in range(rounds)]
    one, many = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratios = ", ".join(f"{second / first:.2f}" for first, second in pairs)
    sys.stdout.write(f"| {name} | {one:,.2f} | {many:,.2f} | {many / one:.2f} | {ratios} |\n")
    sys.stdout.flush()


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--shards", type=int, default=8)
    options = parser.parse_args()
    cluster = os.environ["CITUS_DATABASE_URL"]
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    first = now - (options.rounds + 2) * HOUR
    with (
        database_on_coordinator(cluster, "bench_plain") as plain,
        database_on_all_nodes(cluster, "bench_citus") as distributed,
    ):
        closing.prepare(plain, first)
        closing.prepare(distributed, first)
        sys.stdout.write(manage(distributed, "distribute_usage", "--shards", str(options.shards)))
        sys.stdout.write("\n| | one PostgreSQL | Citus | ratio | of each pair |\n|---|---|---|---|---|\n")
        both = {"plain": plain, "distributed": distributed, "rounds": options.rounds}
        compare(f"closing {options.records:,} records, s", measure_closing(first, options.records), **both)
        keys = {url: manage(url, "shell", "-v0", code=KEY).split()[-1] for url in (plain, distributed)}
        with web(plain) as (port, _), web(distributed) as (other, _):
            ports = {plain: (port, keys[plain]), distributed: (other, keys[distributed])}
            for size in ingest.BATCHES:
                measured = measure_ingest(ports, size, options.seconds)
                compare(f"batches of {size:,}, records/s", measured, **both)


if __name__ == "__main__":
    main()
