"""A customer with a year of hourly bills and millions of records, and how long its pages take."""

import datetime as dt
import re
import statistics
import sys
import time
from string import Template

import httpx
import psycopg

from benchmarks.admin_books import CLOSED, MONEY_DOCUMENTS, SEALS
from benchmarks.server import manage, web
from sensenova_billing.dev_server.secret_key import new_secret_key

HOURS = 8_760
VALUES = 10  # of the metadata of calls
TARGET = 60  # ms, p95

PREPARE = """
from accounts.models import Customer, Member, User
customer = Customer.objects.create(code="busy", name="Busy Ltd")
user = User.objects.create_user("busy@busy.example", "only for this benchmark")
Member.objects.create(customer=customer, user=user, role="owner")
"""
# Two services with two items each; each line has all of its hour's calls of the service. A bill is never
# changed, so that its amount is known before its lines.
ITEMS = """
SELECT item.id, item.service_id, service.name, item.measure, price.id AS price_id, price.kind,
       price.unit_price, price.unit_size
  FROM pricing_service AS service
  JOIN pricing_billingitem AS item ON item.service_id = service.id
  JOIN LATERAL (SELECT * FROM pricing_price AS price
                 WHERE price.billing_item_id = item.id ORDER BY begins_at LIMIT 1) AS price ON true
 WHERE service.name IN ('SenseChat-5', 'SenseChat-Turbo')
"""
QUANTITY = "(%(an_hour)s * (300 + extract(hour FROM hour)::int))::numeric"
BILLS = """
INSERT INTO invoices_hourlybill (number, customer_id, hour_id, sealed_in_id, customer_code, customer_name,
                                 records, amount, issued_at)
SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24"Z-"') || code, customer.id, hour, hour, code, name,
       %(an_hour)s, $quantity * (SELECT sum(unit_price * (1::numeric / unit_size)) FROM ($items) AS item),
       closed_at
  FROM usage_billinghour, accounts_customer AS customer WHERE code = 'busy'
"""
LINES = """
INSERT INTO invoices_chargeline (bill_id, billing_item_id, price_id, service_id, usage_hour, service_name,
                                 measure, price_kind, is_own_price, unit_price, unit_size, records, quantity,
                                 amount, correction)
SELECT bill.id, item.id, price_id, service_id, hour, item.name, measure, kind, false, unit_price, unit_size,
       greatest(%(an_hour)s / 2, 1), $quantity, $quantity * unit_price * (1::numeric / unit_size), ''
  FROM (SELECT id, hour_id AS hour FROM invoices_hourlybill) AS bill
 CROSS JOIN ($items) AS item
"""
SHARES = """
INSERT INTO invoices_metadatausage (line_id, customer_id, hour, service_id, billing_item_id, name, value,
                                    calls, quantity, amount)
SELECT line.id, bill.customer_id, bill.hour_id, line.service_id, line.billing_item_id, 'project',
       'project-' || n, line.records / %(values)s, trunc(line.quantity / %(values)s),
       trunc(line.quantity / %(values)s) * line.unit_price * (1::numeric / line.unit_size)
  FROM invoices_chargeline AS line
  JOIN invoices_hourlybill AS bill ON bill.id = line.bill_id
 CROSS JOIN generate_series(1, %(values)s) AS n
"""
RECORDS = """
INSERT INTO usage_usagerecord (customer_id, event_id, service_id, occurred_at, billing_hour, received_at,
                               input_tokens, output_tokens, input_characters)
SELECT customer.id, to_char(hour, 'YYYYMMDDHH24-') || n, service.id, hour + interval '1 hour' * n / %(each)s,
       hour, hour + interval '1 hour' * n / %(each)s, 700, 100, 0
  FROM (SELECT %(last)s::timestamptz - h * interval '1 hour' AS hour
          FROM generate_series(%(from_hour)s::int, %(until_hour)s::int) AS h) AS hours
 CROSS JOIN generate_series(0, %(each)s - 1) AS n
 CROSS JOIN (SELECT id FROM accounts_customer WHERE code = 'busy') AS customer
  JOIN pricing_service AS service
    ON service.name = CASE n %% 2 WHEN 0 THEN 'SenseChat-5' ELSE 'SenseChat-Turbo' END
"""
SIGN_IN = """
from django.conf import settings
from django.test import Client
from accounts.models import User
client = Client()
client.force_login(User.objects.get(email="busy@busy.example"),
                   backend="django.contrib.auth.backends.ModelBackend")
print(client.cookies[settings.SESSION_COOKIE_NAME].value)
"""
REFRESH = """
import time
from invoices.running.refresh import refresh_running_hours
from usage.billing_hours import database_now
began = time.monotonic_ns()
refresh_running_hours(now=database_now())
print((time.monotonic_ns() - began) // 1_000_000)
"""


def seed_customer(url: str, *, records: int, running: int) -> dt.datetime:
    """Fill an empty database, and return the last closed hour."""
    manage(url, "migrate", "--verbosity", "0")
    manage(url, "load_catalogue")
    manage(url, "shell", "-v0", code=PREPARE)
    this_hour = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    last = this_hour - dt.timedelta(hours=1)
    an_hour = max((records - running) // HOURS, 1)
    values = {"last": last, "hours": HOURS, "an_hour": an_hour, "values": VALUES}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in (CLOSED, BILLS, LINES, SHARES, SEALS):
            filled = Template(statement).safe_substitute(items=ITEMS, quantity=QUANTITY)
            connection.execute(filled, values)
        for each, from_hour, until_hour in ((an_hour, 0, HOURS - 1), (running, -1, -1)):
            span = {"each": each, "from_hour": from_hour, "until_hour": until_hour}
            connection.execute(RECORDS, values | span)
        connection.execute(MONEY_DOCUMENTS.read_bytes())
        connection.execute("VACUUM ANALYZE")
    return last


def measure_customer(url: str, *, last: dt.datetime, times: int) -> None:
    """Print how long a refresh and each page take."""
    say = sys.stdout.write
    took = manage(url, "shell", "-v0", code=REFRESH).split()[-1]
    say(f"Summing up the running hour: {took} ms, at most every {max(60, 20 * int(took) // 1000)} s\n\n")
    say("| page | first look, ms | median, ms | p95, ms |\n|---|---|---|---|\n")
    key = new_secret_key()
    session = manage(url, "shell", "-v0", code=SIGN_IN, SECRET_KEY=key).split()[-1]
    with (
        web(url, workers=1, threads=4, SECRET_KEY=key) as (port, _),
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", cookies={"sessionid": session}, timeout=60
        ) as client,
    ):
        for name, path in _pages(client, last).items():
            milliseconds = [_milliseconds(client, path) for _ in range(times + 1)]
            first, later = milliseconds[0], sorted(milliseconds[1:])
            median, p95 = statistics.median(later), later[int(0.95 * times)]
            say(f"| {name} | {first:.0f} | {median:.0f} | {p95:.0f}{' (!)' if p95 > TARGET else ''} |\n")
            sys.stdout.flush()


def _pages(client: httpx.Client, last: dt.datetime) -> dict[str, str]:
    bill = f"/bills/{last:%Y%m%dT%HZ}-busy"
    line = re.search(rf'"({bill}/lines/\d+)"', client.get(bill).text)
    if line is None:
        raise SystemExit(f"{bill} leads to no line")
    today, month = f"{last:%Y-%m-%d}", f"{last:%Y-%m}"
    year_ago = f"{last - dt.timedelta(days=364):%Y-%m-%d}"
    customer = "/customers/busy"
    return {
        "overview": customer,
        "overview, the part that refreshes": f"{customer}/overview/now",
        "overview, notices": f"{customer}/overview/alerts",
        "usage of this month": f"{customer}/usage",
        "usage of this month by item": f"{customer}/usage?by=item",
        "usage of this month by project": f"{customer}/usage?by=project",
        "usage of a day by hour": f"{customer}/usage?from={today}&to={today}&width=hour",
        "usage of a year by month": f"{customer}/usage?from={year_ago}&to={today}&width=month",
        "bills": f"{customer}/bills",
        "bills of a month": f"{customer}/bills?from={month}-01",
        "a month's bill": f"{customer}/bills/{last.replace(day=1) - dt.timedelta(days=2):%Y-%m}",
        "bill": bill,
        "charge line": line[1],
        "find a call": f"{customer}/records?event_id={last:%Y%m%d%H}-1",
        "account": f"{customer}/account",
        "statements": f"{customer}/statements",
        "statement": "/statements/S00000012",
        "budgets": f"{customer}/budgets",
        "webhooks": f"{customer}/webhooks",
        "limits": f"{customer}/limits",
        "packages": f"{customer}/packages",
        "API keys": f"{customer}/keys",
        "people": f"{customer}/people",
        "prices": "/prices",
    }


def _milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    answer.raise_for_status()
    if answer.is_redirect:
        raise SystemExit(f"{path} led to {answer.headers['location']}")
    return 1000 * (time.perf_counter() - began)
