"""`make bench-effect`: how long the effect of planned prices takes, beside a bare GROUP BY of the same rows.

Thirty days of usage, 10,000 customers with three services each; 300 customers have four prices of their own,
and half of all items were free for some days meanwhile, so that prices change on twenty days. The effect is
asked for one item, for the five services of a group, and for all; the bare query runs before each with the
same `work_mem`. Of three runs the median counts.
"""

import argparse
import datetime as dt
import statistics
import sys

import psycopg

from benchmarks.closing import HOUR, PREPARE, WORK_MEM, Say, bare_seconds, fill_history
from benchmarks.server import manage
from sensenova_billing.dev_server.postgres import throwaway_server

DAYS = 30
TIMES = 3

OWN_PRICES = """
import datetime as dt
from decimal import Decimal
from accounts.models import Customer
from pricing.models import BillingItem, Price
from usage.billing_hours import hour_of
now, day, items = hour_of(dt.datetime.now(dt.UTC)), dt.timedelta(days=1), list(BillingItem.objects.all())
for n, customer in enumerate(Customer.objects.order_by("pk")[:300]):
    Price.objects.bulk_create(
        Price(billing_item=item, customer=customer, unit_price=Decimal("0.01234567"),
              begins_at=now - (60 if n > 20 else 3 + n) * day)
        for item in items[n % 5 : n % 5 + 4])
Price.objects.bulk_create(
    Price(billing_item=item, kind="free_trial", unit_price=0,
          begins_at=now - (12 + n // 2) * day, ends_at=now - (4 + n // 2) * day)
    for n, item in enumerate(items[:10]))
"""

BARE = """
SELECT customer_id, service_id, count(*), sum(input_tokens), sum(output_tokens), sum(input_characters)
  FROM usage_usagerecord
 WHERE billing_hour >= %s AND occurred_at >= %s AND occurred_at < %s AND service_id = ANY (
       SELECT service_id FROM pricing_billingitem WHERE id = ANY (%s))
 GROUP BY customer_id, service_id
"""

ASK = """
import datetime as dt, resource, time
from dataclasses import replace
from invoices.price_impact.simulate import price_effects
from pricing.timeline.differences import differing_intervals
from pricing.models import BillingItem
from pricing.catalogue.offering import fact_of
from pricing.timeline.view import prices_of
now = dt.datetime.fromisoformat({now!r})
for _ in range({times}):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    items = list(BillingItem.objects.filter(pk__in={items!r}).select_related("service"))
    prices = [fact_of(price) for held in prices_of(items).values() for price in held]
    hour = now + dt.timedelta(hours=1)
    endless = [price for price in prices if price.ends_at is None]
    ended = [replace(price, ends_at=hour) for price in endless]
    raised = [replace(price, id=-price.id, unit_price=price.unit_price + 1) for price in endless]
    raised = [replace(price, begins_at=hour) for price in raised]
    stretches, _ = differing_intervals(without=endless, changed=[*ended, *raised], most=4)
    found = price_effects(items=items, stretches=stretches, since=now - dt.timedelta(days={days}), until=now)
    took = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(took, len(found[0].customers), (most - before) // 1024)
"""

ITEMS = {
    "one item": "service.name = 'SenseChat' AND item.measure = 'input_tokens'",
    "the five services of a group": "section.name = 'General'",
    "all": "true",
}
CHOSEN = """
SELECT array_agg(item.id)
  FROM pricing_billingitem AS item
  JOIN pricing_service AS service ON service.id = item.service_id
  JOIN pricing_servicegroup AS section ON section.id = service.group_id
 WHERE """


def ask(url: str, now: dt.datetime, items: list[int]) -> tuple[float, int, float]:
    """Ask for the effect in a process of its own: median seconds, customers, MB that it took."""
    code = ASK.format(now=now.isoformat(), times=TIMES, items=items, days=DAYS)
    output = manage(url, "shell", "-v0", code=code, CLOSING_WORK_MEM=WORK_MEM, LOG_LEVEL="ERROR")
    runs = [[float(part) for part in line.split()] for line in output.splitlines()]
    seconds, customers, grown = zip(*runs, strict=True)
    return statistics.median(seconds), int(customers[0]), sum(grown)


def measure(url: str, connection: psycopg.Connection, now: dt.datetime, say: Say) -> None:
    """Ask for some and for all items, and print a row for each."""
    since = now - DAYS * 24 * HOUR
    say("| items | customers | bare GROUP BY, s | effect, s | ratio | more memory, MB |\n")
    say("|---|---|---|---|---|---|\n")
    for name, chosen in ITEMS.items():
        ((items,),) = connection.execute(CHOSEN + chosen).fetchall()
        bare = bare_seconds(connection, BARE, [since, since, now, items])
        took, customers, grown = ask(url, now, items)
        say(f"| {name} ({len(items)}) | {customers:,} | {bare:.2f} | {took:.2f} | {took / bare:.2f} |")
        say(f" {grown:.0f} |\n")
        sys.stdout.flush()


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=5_000_000)
    options = parser.parse_args()
    say = sys.stdout.write
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    with throwaway_server() as url, psycopg.connect(url, autocommit=True) as connection:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        manage(url, "shell", "-v0", code=PREPARE)
        fill_history(connection, now, options.records)
        connection.execute("VACUUM ANALYZE usage_usagerecord")
        connection.execute("SELECT set_config('work_mem', %s, false)", [WORK_MEM])
        say(f"\n{options.records:,} records of {DAYS} days:\n\n")
        say("With the catalogue's prices:\n\n")
        measure(url, connection, now, say)
        manage(url, "shell", "-v0", code=OWN_PRICES)
        connection.execute("ANALYZE")
        say("\nWith prices of customers' own, and trials that came and went:\n\n")
        measure(url, connection, now, say)


if __name__ == "__main__":
    main()
