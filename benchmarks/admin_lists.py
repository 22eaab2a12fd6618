"""How long each of the admin's lists takes over tables with many rows, plain, filtered, ordered and searched.

A list is asked once for what it links to: each filter's first, middle and last choice, the order of each
column, and the next page; and once for searches that find something and nothing. What takes most is measured
beside the plain list. Processor time, of the web server and of PostgreSQL, is what other work on the machine
changes least.
"""

import html
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

import httpx
import psycopg

from benchmarks.admin_books import MONEY_DOCUMENTS, SIGN_IN
from benchmarks.server import manage, web
from sensenova_billing.dev_server.secret_key import new_secret_key

TARGET = 120  # ms, p95
SEARCHES = ("customer-77", "found-nowhere")
CUSTOMER = "customer-77"
# What an address says of filters in which one types.
TYPED = {
    "auditentry": (f"customer={CUSTOMER}", "person=person-7@example.com", "service=service-3-4"),
    "hourlybill": (f"customer={CUSTOMER}",),
    "packagecredit": (f"customer={CUSTOMER}",),
    "quarantinedusage": ("key=key-7-1",),
    "refusedusage": ("key=key-7-1",),
}
LISTS = """
from django.contrib import admin
from django.urls import reverse
for model, of in sorted(admin.site._registry.items(), key=lambda one: str(one[0]._meta)):
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    print("list", model._meta.model_name, address, bool(of.search_fields), model._meta.db_table)
"""


def seed_lists(url: str) -> None:
    """Add many rows to every table that the admin lists."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(Path(__file__).with_suffix(".sql").read_bytes())
        connection.execute(MONEY_DOCUMENTS.read_bytes())
        connection.execute("VACUUM ANALYZE")


def measure_lists(url: str, *, times: int) -> None:
    """Print how long each list takes, and the address below it that takes most."""
    key = new_secret_key()
    session = manage(url, "shell", "-v0", code=SIGN_IN, SECRET_KEY=key).split()[-1]
    lists = [line.split()[1:] for line in manage(url, "shell", "-v0", code=LISTS).splitlines() if line]
    say = sys.stdout.write
    times_of = "processor, ms | median, ms | p95, ms"
    say(f"| list | rows | {times_of} | what takes most below it | {times_of} |\n{'|---' * 9}|\n")
    with (
        web(url, workers=1, threads=4, SECRET_KEY=key) as (port, server),
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", cookies={"sessionid": session}, timeout=600
        ) as client,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        looks = _Looks(client, (server, int(_facts(Path(f"/proc/{connection.info.backend_pid}/stat"))[1])))
        for name, path, has_search, table in lists:
            (rows,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() or (0,)  # noqa: S608
            say(f"| {name} | {rows:,} | {looks.measured(path, times)} | ")
            most = looks.most_below(path, TYPED.get(name, ()), has_search=has_search == "True")
            say(f"`{most}` | {looks.measured(path + most, times)} |\n" if most else "- | - | - | - |\n")
            sys.stdout.flush()


class _Looks(NamedTuple):
    """Looks at pages, of which the descendants of these processes make the answers."""

    client: httpx.Client
    processes: tuple[int, ...]

    def measured(self, address: str, times: int) -> str:
        """Return the columns of looks at a page, without the first."""
        self._look(address)
        used = _processor_time(self.processes)
        took = sorted(self._look(address) for _ in range(times))
        processor = 1000 * (_processor_time(self.processes) - used) / times
        p95 = took[int(0.95 * times)]
        return f"{processor:.0f} | {statistics.median(took):.0f} | {p95:.0f}{' (!)' if p95 > TARGET else ''}"

    def most_below(self, path: str, typed: tuple[str, ...], *, has_search: bool) -> str:
        """Return the query that takes longest, in the faster of two looks; empty without any."""
        queries = [*linked(self.client.get(path).text), *(f"?{one}" for one in typed)]
        if has_search:
            queries += [f"?q={words}" for words in SEARCHES]
        took = {query: min(self._look(path + query) for _ in range(2)) for query in queries}
        return max(took, key=lambda query: took[query], default="")

    def _look(self, address: str) -> float:
        began = time.perf_counter()
        answer = self.client.get(address)
        took = time.perf_counter() - began
        answer.raise_for_status()
        if answer.is_redirect:
            raise SystemExit(f"{address} led to {answer.headers['location']}")
        return 1000 * took


def _processor_time(processes: tuple[int, ...]) -> float:
    """Return for how many seconds these processes and their descendants have run."""
    facts: dict[int, list[str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            facts[int(stat.parent.name)] = _facts(stat)
    ticks, found = 0, [*processes]
    while found:
        process = found.pop()
        ticks += sum(map(int, facts[process][11:15]))  # its own, and its children's that have ended
        found += [child for child, its in facts.items() if its[1] == str(process)]
    return ticks / os.sysconf("SC_CLK_TCK")


def _facts(stat: Path) -> list[str]:
    return stat.read_text().rpartition(")")[2].split()


def linked(page: str) -> Iterator[str]:
    """Yield the first, the middle and the last of the page's links to itself by what they set."""
    by_name: dict[str, list[str]] = {}
    for link in re.findall(r'href="(\?[^"]+)"', page):
        query = html.unescape(link)
        names = "&".join(name for name, _ in parse_qsl(query[1:]))
        by_name.setdefault(query if names == "o" else names, []).append(query)
    for queries in by_name.values():
        yield from dict.fromkeys((queries[0], queries[len(queries) // 2], queries[-1]))
