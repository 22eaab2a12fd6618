"""`make bench-pages`: how long pages take over a year of closed hours."""

import argparse
import sys

from benchmarks.admin_books import CUSTOMERS, HOURS, measure_admin, seed_year
from sensenova_billing.dev_server.postgres import throwaway_server


def main() -> None:
    """Run it all and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    options = parser.parse_args()
    with throwaway_server() as url:
        bills = seed_year(url)
        sys.stdout.write(f"\n{CUSTOMERS:,} customers, {HOURS:,} closed hours, {bills:,} bills\n\n")
        measure_admin(url, times=options.times)


if __name__ == "__main__":
    main()
