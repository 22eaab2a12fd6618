"""`make bench-pages`: how long pages take over a year of closed hours."""

import argparse
import sys

from benchmarks.admin_books import CUSTOMERS, HOURS, measure_admin, seed_year
from benchmarks.admin_lists import measure_lists, seed_lists
from benchmarks.customer_books import measure_customer, seed_customer
from sensenova_billing.dev_server.postgres import throwaway_server

PARTS = ("admin", "admin-lists", "customer")


def main() -> None:
    """Run it all, or one part, and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--records", type=int, default=10_000_000, help="of the customer")
    parser.add_argument("--running", type=int, default=2_000_000, help="of these, in the running hour")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="in the admin's parts")
    options = parser.parse_args()
    if options.part != "customer":
        with throwaway_server() as url:
            bills = seed_year(url, customers=options.customers)
            sys.stdout.write(
                f"\n{options.customers:,} customers, {HOURS:,} closed hours, {bills:,} bills\n\n"
            )
            if options.part != "admin-lists":
                measure_admin(url, times=options.times)
            if options.part != "admin":
                seed_lists(url)
                measure_lists(url, times=options.times)
    if options.part in (None, "customer"):
        with throwaway_server() as url:
            last = seed_customer(url, records=options.records, running=options.running)
            sys.stdout.write(
                f"\nA customer with {HOURS:,} bills and {options.records:,} records, "
                f"{options.running:,} of them in the running hour\n\n"
            )
            measure_customer(url, last=last, times=options.times)


if __name__ == "__main__":
    main()
