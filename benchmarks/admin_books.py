"""A year of closed hours of 10,000 customers, and how long the admin's first page takes with them."""

import datetime as dt
import statistics
import sys
import time
from pathlib import Path

import httpx
import psycopg

from benchmarks.server import manage, web
from sensenova_billing.dev_server.secret_key import new_secret_key

CUSTOMERS = 10_000
MONEY_DOCUMENTS = Path(__file__).with_name("money_documents.sql")
HOURS = 8_760
# In the last days every customer is billed each hour, before that some of them.
BUSY_HOURS = 72
BILLS_OF_A_QUIET_HOUR = 270
PAGES = {"admin's first page": "/admin/"}

PREPARE = """
from accounts.models import Customer
Customer.objects.bulk_create(
    Customer(code=f"customer-{{n}}", name=f"Customer {{n}}") for n in range({customers}))
"""
CLOSED = """
INSERT INTO usage_billinghour (hour, previous_id, closed_at)
SELECT %(last)s::timestamptz - n * interval '1 hour',
       CASE WHEN n < %(hours)s - 1 THEN %(last)s::timestamptz - (n + 1) * interval '1 hour' END,
       %(last)s::timestamptz - n * interval '1 hour' + interval '65 minutes'
  FROM generate_series(0, %(hours)s - 1) AS n
"""
BILLS = """
INSERT INTO invoices_hourlybill (number, customer_id, hour_id, sealed_in_id, customer_code, customer_name,
                                 records, amount, issued_at)
SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24"Z-"') || code, customer.id, hour, hour, code, name,
       100, (customer.id * 7919 %% 997 + extract(hour FROM hour)) * 0.0123456789, closed_at
  FROM (SELECT hour, closed_at,
               row_number() OVER (ORDER BY hour DESC) AS place FROM usage_billinghour) AS closed
  JOIN accounts_customer AS customer
    ON place <= %(busy)s OR (customer.id * 104729 + place * 7919) %% %(customers)s < %(quiet)s
"""
LINES = """
INSERT INTO invoices_chargeline (bill_id, billing_item_id, price_id, service_id, usage_hour, service_name,
                                 measure, price_kind, is_own_price, unit_price, unit_size, records, quantity,
                                 amount, correction)
SELECT bill.id, item.id, price.id, item.service_id, bill.hour_id, 'SenseChat-5', item.measure,
       price.kind, false, 1, 1, 100, 0, 0, ''
  FROM invoices_hourlybill AS bill
 CROSS JOIN (SELECT * FROM pricing_billingitem ORDER BY id LIMIT 1) AS item
  JOIN LATERAL (SELECT * FROM pricing_price WHERE billing_item_id = item.id LIMIT 1) AS price ON true
 WHERE bill.hour_id > %(last)s - interval '25 hours'
"""
SEALS = """
INSERT INTO invoices_hourseal (hour_id, sha256, bills, lines, records, parked, amount)
SELECT hour_id, sha256(hour_id::text::bytea), count(*), count(*), sum(records), 0, sum(amount)
  FROM invoices_hourlybill GROUP BY hour_id
"""
TOTALS = """
INSERT INTO invoices_customertotal (period, begins_on, customer_id, bills, amount)
SELECT span.period, date_trunc(span.period, sealed_in_id AT TIME ZONE 'Asia/Shanghai')::date, customer_id,
       count(*), sum(amount)
  FROM invoices_hourlybill CROSS JOIN (VALUES ('day'), ('month')) AS span (period)
 GROUP BY 1, 2, 3
"""
SIGN_IN = """
from django.conf import settings
from django.test import Client
from accounts.models import User
client = Client()
admin = (User.objects.filter(is_superuser=True).first()
         or User.objects.create_superuser("admin@sensenova.example", "only for this benchmark"))
client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
print(client.cookies[settings.SESSION_COOKIE_NAME].value)
"""


def seed_year(url: str, *, customers: int = CUSTOMERS, hours: int = HOURS) -> int:
    """Fill an empty database with a year of closed hours, and return how many bills there are."""
    manage(url, "migrate", "--verbosity", "0")
    manage(url, "load_catalogue")
    manage(url, "shell", "-v0", code=PREPARE.format(customers=customers))
    last = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=1)
    values = {
        "last": last,
        "hours": hours,
        "busy": BUSY_HOURS,
        "quiet": BILLS_OF_A_QUIET_HOUR * customers // CUSTOMERS,
        "customers": customers,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        # Foreign keys need no checks here, which would take longer than the rows.
        connection.execute("SET session_replication_role = replica")
        for statement in (CLOSED, BILLS, LINES, SEALS, TOTALS):
            connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
        (bills,) = connection.execute("SELECT count(*) FROM invoices_hourlybill").fetchone() or (0,)
    return int(bills)


def measure_admin(url: str, *, times: int = 100) -> None:
    """Print how long each page takes: the first look of a process, then median and p95."""
    say = sys.stdout.write
    say("| page | first look, ms | median, ms | p95, ms |\n|---|---|---|---|\n")
    key = new_secret_key()
    session = manage(url, "shell", "-v0", code=SIGN_IN, SECRET_KEY=key).split()[-1]
    cookies = {"sessionid": session}
    with (
        web(url, workers=1, threads=4, SECRET_KEY=key) as (port, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=cookies, timeout=60) as client,
    ):
        client.get("/sign-in")
        for name, path in PAGES.items():
            took = [_milliseconds(client, path) for _ in range(times + 1)]
            first, later = took[0], sorted(took[1:])
            median, p95 = statistics.median(later), later[int(0.95 * times)]
            say(f"| {name} | {first:.0f} | {median:.0f} | {p95:.0f} |\n")
            sys.stdout.flush()


def _milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    answer.raise_for_status()
    if answer.is_redirect:
        raise SystemExit(f"{path} led to {answer.headers['location']}")
    return 1000 * (time.perf_counter() - began)
