"""`make bench-close`: how long an hour takes to close, beside the bare GROUP BY of the same rows, in one run.

Hours of 1, 3 and 10 million records are closed in turn, first in an empty table and then on top of a
history. Each of 10,000 customers uses three services of its own, so that all services are used. Before each
closing the bare query runs with the same `work_mem`: once to warm up, then three times; the median counts.
"""

import argparse
import datetime as dt
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.server import manage
from sensenova_billing.dev_server.postgres import throwaway_server

CUSTOMERS = 10_000
SERVICES_OF_A_CUSTOMER = 3
WORK_MEM = "256MB"
HOUR = dt.timedelta(hours=1)

Say = Callable[[str], Any]

PREPARE = f"""
from accounts.models import Customer
Customer.objects.bulk_create(
    Customer(code=f"customer-{{n}}", name=f"Customer {{n}}") for n in range({CUSTOMERS}))
"""

# Calls spread over a span, in the order of time; each customer's services are its number's neighbours. What
# a service does not charge for is not used.
FILL = """
INSERT INTO usage_usagerecord (customer_id, event_id, service_id, occurred_at, billing_hour, received_at,
                               input_tokens, output_tokens, input_characters)
SELECT call.customer_id, lpad(to_hex(extract(epoch FROM call.at)::bigint), 12, '0') || '-' || call.n,
       sold.service_id, call.at, date_trunc('hour', call.at, 'UTC'), call.at,
       CASE WHEN sold.input THEN 400 + call.n %% 977 ELSE 0 END,
       CASE WHEN sold.output THEN 100 + call.n %% 331 ELSE 0 END,
       CASE WHEN sold.characters THEN 1 + call.n %% 59 ELSE 0 END
  FROM (SELECT n, (SELECT min(id) FROM accounts_customer) + (n * 7919) %% %(customers)s AS customer_id,
               %(from)s::timestamptz + n * (%(span)s::interval / %(records)s) AS at
          FROM generate_series(0::bigint, %(records)s - 1) AS n) AS call
  JOIN (SELECT row_number() OVER (ORDER BY service_id) - 1 AS place, count(*) OVER () AS services, * FROM (
        SELECT service_id, bool_or(measure = 'input_tokens') AS input,
               bool_or(measure = 'output_tokens') AS output,
               bool_or(measure = 'input_characters') AS characters
          FROM pricing_billingitem GROUP BY service_id) AS each) AS sold
    ON sold.place = (call.customer_id + call.n / %(customers)s %% %(uses)s) %% sold.services
"""

BARE = """
SELECT customer_id, service_id, count(*), sum(input_tokens), sum(output_tokens), sum(input_characters)
  FROM usage_usagerecord WHERE billing_hour = %s GROUP BY customer_id, service_id
"""

# As if everything up to this hour were closed.
BEGIN = """
WITH closed AS (INSERT INTO usage_billinghour (hour, closed_at) VALUES (%s, now()) RETURNING hour)
INSERT INTO invoices_hourseal (hour_id, sha256, bills, lines, records, parked, amount)
SELECT hour, sha256('the beginning'), 0, 0, 0, 0, 0 FROM closed
"""

# A Tokens package of each customer for the services that it uses; every other one runs out within the hour.
PRODUCT = """
WITH product AS (
    INSERT INTO pricing_packageproduct (name, method) VALUES ('All', 'tokens_package') RETURNING id)
INSERT INTO pricing_packageterms (product_id, tokens, validity, validity_unit, list_price, begins_at)
SELECT id, 1000000000, 1, 'day', 1, now() FROM product
"""
PACKAGES = """
WITH bought AS (
    INSERT INTO pricing_quotapackage (number, customer_id, terms_id, product_name, method, tokens, bought_at,
                                      begins_at, expires_at)
    SELECT 'P-' || code || %(hour)s::timestamptz, customer.id, terms.id, 'All', 'tokens_package',
           CASE WHEN customer.id %% 2 = 0 THEN 1000000000 ELSE %(tokens)s END,
           %(hour)s::timestamptz, %(hour)s::timestamptz,
           %(hour)s::timestamptz + interval '30 days'
      FROM accounts_customer AS customer CROSS JOIN pricing_packageterms AS terms
 RETURNING id, customer_id, begins_at, expires_at)
INSERT INTO pricing_methodperiod (package_id, customer_id, service_id, method, begins_at, ends_at)
SELECT DISTINCT bought.id, bought.customer_id, used.service_id, 'tokens_package', begins_at, expires_at
  FROM bought
  JOIN usage_usagerecord AS used ON used.customer_id = bought.customer_id AND used.billing_hour = %(hour)s
"""

CLOSE = """
import resource, sys, time
from django.utils.dateparse import parse_datetime
from invoices.closing.close import close_hour
from usage.models import HOUR
hour = parse_datetime({hour!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
made = close_hour(hour=hour, now=hour + 2 * HOUR)
took = time.perf_counter() - began
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(took, before // 1024, most // 1024, made.lines, made.parked)
"""


def fill(connection: psycopg.Connection, begins: dt.datetime, span: dt.timedelta, records: int) -> None:
    """Put so many records into the hours of a span."""
    values = {
        "from": begins, "span": span, "records": records,
        "customers": CUSTOMERS, "uses": SERVICES_OF_A_CUSTOMER,
    }  # fmt: skip
    connection.execute(FILL, values)


def fill_history(connection: psycopg.Connection, before: dt.datetime, records: int) -> None:
    """Put closed hours behind the table, with its indexes dropped meanwhile."""
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename = 'usage_usagerecord' AND indexname <> 'usage_usagerecord_pkey'"
    ).fetchall()
    connection.execute("ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    fill(connection, before - 30 * 24 * HOUR, 30 * 24 * HOUR, records)
    connection.execute("SET maintenance_work_mem = '2GB'")
    connection.execute("ALTER TABLE usage_usagerecord ADD PRIMARY KEY (customer_id, event_id)")
    for _, definition in indexes:
        connection.execute(definition)


def bare_seconds(connection: psycopg.Connection, query: str, values: list[Any]) -> float:
    """Seconds of the bare query, the median of three after one to warm up."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        connection.execute(query, values).fetchall()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def close(url: str, hour: dt.datetime) -> list[float]:
    """Close the hour in a process of its own: seconds, MB before and at most, lines, parked."""
    code = CLOSE.format(hour=hour.isoformat())
    output = manage(url, "shell", "-v0", code=code, CLOSING_WORK_MEM=WORK_MEM, LOG_LEVEL="ERROR")
    return [float(part) for part in output.split()]


def measure(url: str, first: dt.datetime, sizes: list[int], say: Say) -> None:
    """Fill and close an hour of each size, and print a row for it."""
    say("| records | bare GROUP BY, s | closing, s | ratio | charge lines | before, MB | at most, MB |\n")
    say("|---|---|---|---|---|---|---|\n")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT set_config('work_mem', %s, false)", [WORK_MEM])
        for place, size in enumerate(sizes):
            hour = first + place * HOUR
            fill(connection, hour, HOUR, size)
            connection.execute("VACUUM ANALYZE usage_usagerecord")
            bare = bare_seconds(connection, BARE, [hour])
            took, before, most, lines, parked = close(url, hour)
            assert not parked
            say(f"| {size:,} | {bare:.2f} | {took:.2f} | {took / bare:.2f} | {lines:,.0f} | {before:.0f} |")
            say(f" {most:.0f} |\n")
            sys.stdout.flush()


def measure_packages(url: str, first: dt.datetime, size: int, say: Say) -> None:
    """Close an hour of this size without packages and the next one with them, and print a row."""
    took = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(PRODUCT)
        for hour in (first, first + HOUR):
            fill(connection, hour, HOUR, size)
            if hour > first:
                connection.execute(PACKAGES, {"hour": hour, "tokens": 300 * size // CUSTOMERS})
            connection.execute("VACUUM ANALYZE")
            took.append(close(url, hour))
    (without, *_, lines, _), (with_packages, *_, more_lines, parked) = took
    assert not parked
    say(f"| {size:,} | {without:.2f} | {with_packages:.2f} | {with_packages / without:.2f} |")
    say(f" {lines:,.0f} | {more_lines:,.0f} |\n")
    sys.stdout.flush()


def prepare(url: str, first: dt.datetime) -> None:
    """Make the catalogue and the customers; everything before the first hour is closed."""
    manage(url, "migrate", "--verbosity", "0")
    manage(url, "load_catalogue")
    manage(url, "shell", "-v0", code=PREPARE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(BEGIN, [first - HOUR])


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--history", type=int, default=30_000_000)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--package-rounds", type=int, default=3)
    options = parser.parse_args()
    say = sys.stdout.write
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    first = now - (3 * len(options.sizes) + 2) * HOUR
    say("\nWith quota packages, half of which run out in the hour:\n\n")
    say("| records | without packages, s | with, s | ratio | charge lines without | with |\n")
    say("|---|---|---|---|---|---|\n")
    for _ in range(options.package_rounds):
        with throwaway_server() as url:
            prepare(url, first)
            measure_packages(url, first, 1_000_000, say)
    with throwaway_server() as url:
        prepare(url, first)
        say("\nAn empty table:\n\n")
        measure(url, first, options.sizes, say)
        if options.history:
            began = time.perf_counter()
            with psycopg.connect(url, autocommit=True) as connection:
                fill_history(connection, first - HOUR, options.history)
            made = time.perf_counter() - began
            say(f"\nWith {options.history:,} records of history ({made:.0f} s to make):\n\n")
            measure(url, first + len(options.sizes) * HOUR, options.sizes, say)


if __name__ == "__main__":
    main()
