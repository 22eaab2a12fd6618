"""`make bench-budgets`: how long 10,000 budgets take to be refreshed, and expired reservations to be found.

1,000 customers with ten budgets each: of all services, of one, and of a project. Each customer makes 20
calls an hour, over six closed hours and in the running one; then one more hour closes.
"""

import argparse
import datetime as dt
import sys

import psycopg

from benchmarks.server import manage
from sensenova_billing.dev_server.postgres import throwaway_server

CUSTOMERS = 1000
CALLS_AN_HOUR = 20
HOURS = 6
RESERVATIONS = 200_000
HOUR = dt.timedelta(hours=1)

PREPARE = """
import datetime as dt
from accounts.audit.context import audit_context
from accounts.models import Customer
from django.db import transaction
from django.utils import timezone
from pricing.models import Service
from usage.models import Budget
one = Service.objects.get(name="SenseChat-5")
kinds = [(None, "", ""), (one, "", ""), (None, "project", "p-1")]
periods = ["month", "week", "day", "hour"]
chosen = [(period, *kind) for period in periods for kind in kinds][:10]
with transaction.atomic(), audit_context(by="bench", reason="A benchmark."):
    Customer.objects.bulk_create(
        Customer(code=f"customer-{{n}}", name=f"Customer {{n}}") for n in range({customers}))
    Budget.objects.bulk_create(
        Budget(customer=customer, service=service, metadata_name=name, metadata_value=value, period=period,
               amount=1_000_000, alerts_at=[50, 80, 100], is_cap=True, created_at=timezone.now())
        for customer in Customer.objects.all() for period, service, name, value in chosen)
"""

FILL = """
INSERT INTO usage_usagerecord (customer_id, event_id, service_id, occurred_at, billing_hour, received_at,
                               input_tokens, output_tokens, input_characters, metadata)
SELECT customer.id, extract(epoch FROM hour)::bigint || '-' || call, service.id,
       hour + call * interval '1 s', hour, hour + call * interval '1 s',
       400 + call, 100 + call, 0, jsonb_build_object('project', 'p-' || call %% 4)
  FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, interval '1 hour') AS hour
 CROSS JOIN accounts_customer AS customer
 CROSS JOIN generate_series(1, %(calls)s) AS call
  JOIN pricing_service AS service
    ON service.name = CASE WHEN call %% 2 = 0 THEN 'SenseChat-5' ELSE 'SenseChat' END
"""

RESERVE = """
INSERT INTO usage_budgetreservation (use_id, customer_id, call_id, amount, expires_at, reported_at)
SELECT use.id, budget.customer_id, 'call-' || n, 0.01, now() + interval '1 hour' * n / %(count)s,
       CASE WHEN n %% 500 = 0 THEN now() END
  FROM generate_series(1, %(count)s) AS n
  JOIN (SELECT id, budget_id, row_number() OVER () - 1 AS place FROM usage_budgetuse) AS use
    ON use.place = n %% 1000
  JOIN usage_budget AS budget ON budget.id = use.budget_id
"""

REFRESH = """
import time
from django.db import connection
from django.test.utils import CaptureQueriesContext
from invoices.budgets.refresh import refresh_budgets
from usage.billing_hours import database_now
began, cpu = time.perf_counter(), time.process_time()
with CaptureQueriesContext(connection) as queries:
    count = refresh_budgets(now=database_now())
print(count, time.perf_counter() - began, time.process_time() - cpu, len(queries))
"""

CLOSE = """
from django.utils.dateparse import parse_datetime
from invoices.closing.close import close_hour
from invoices.usage_report.metadata import sum_up_closed_hours
from usage.billing_hours import database_now
from usage.models import HOUR
for hour in map(parse_datetime, {hours!r}):
    close_hour(hour=hour, now=hour + 2 * HOUR)
while {summed!r} and sum_up_closed_hours(now=database_now()):
    pass
"""

# As if everything up to this hour were closed.
BEGIN = """
WITH closed AS (INSERT INTO usage_billinghour (hour, closed_at) VALUES (%s, now()) RETURNING hour)
INSERT INTO invoices_hourseal (hour_id, sha256, bills, lines, records, parked, amount)
SELECT hour, sha256('the beginning'), 0, 0, 0, 0, 0 FROM closed
"""
EXPIRED = "SELECT DISTINCT use_id FROM usage_budgetreservation WHERE expires_at <= now()"
REPORTED = "SELECT id, customer_id, reported_at FROM usage_budgetreservation WHERE reported_at IS NOT NULL"


def close(url: str, hours: list[dt.datetime], *, summed: bool) -> None:
    """Close these hours, and sum them up by metadata."""
    code = CLOSE.format(hours=[hour.isoformat() for hour in hours], summed=summed)
    manage(url, "shell", "-v0", code=code, LOG_LEVEL="ERROR")


def refresh(url: str, what: str) -> None:
    """Refresh all budgets in a process of its own, and print a row."""
    output = manage(url, "shell", "-v0", code=REFRESH, LOG_LEVEL="ERROR")
    budgets, seconds, cpu, queries = output.split()[-4:]
    sys.stdout.write(
        f"| {what} | {int(budgets):,} | {float(seconds):.2f} | {float(cpu):.2f} | {int(queries):,} |\n"
    )
    sys.stdout.flush()


def explain(connection: psycopg.Connection, what: str, statement: str) -> None:
    """Print how a statement that finds reservations is run, and how long it takes."""
    connection.execute("VACUUM ANALYZE usage_budgetreservation")
    lines = [line for (line,) in connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}")]
    sys.stdout.write(f"\n{what}:\n\n" + "\n".join(f"    {line}" for line in lines) + "\n")


def measure_refresh(url: str, connection: psycopg.Connection, this_hour: dt.datetime) -> None:
    """Refresh with new windows, with nothing new, and after an hour closed."""
    before = [this_hour - n * HOUR for n in range(HOURS, 0, -1)]
    sys.stdout.write(
        "| refresh | budgets | seconds | of it Python's CPU | statements |\n|---|---|---|---|---|\n"
    )
    close(url, before[:-1], summed=True)
    connection.execute("VACUUM ANALYZE")
    refresh(url, "the first, all windows new")
    refresh(url, "nothing new")
    close(url, before[-1:], summed=False)
    refresh(url, "an hour closed, not summed up by metadata yet")
    close(url, [], summed=True)
    refresh(url, "the same, summed up")
    refresh(url, "nothing new")


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--reservations", type=int, default=RESERVATIONS)
    options = parser.parse_args()
    this_hour = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        manage(url, "shell", "-v0", code=PREPARE.format(customers=options.customers))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(BEGIN, [this_hour - (HOURS + 1) * HOUR])
            connection.execute(
                FILL, {"first": this_hour - HOURS * HOUR, "last": this_hour, "calls": CALLS_AN_HOUR}
            )
            measure_refresh(url, connection, this_hour)
            connection.execute(RESERVE, {"count": options.reservations})
            explain(connection, f"Expired ones of {options.reservations:,} reservations", EXPIRED)
            explain(connection, "Reported ones", REPORTED)


if __name__ == "__main__":
    main()
