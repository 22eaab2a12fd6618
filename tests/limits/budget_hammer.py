"""The budget hammer: eight processes use up two budgets of one customer over HTTP, on a server of its own.

One budget is of all calls, one of those of a project. The usage records, read behind the product's back and
priced here, must not come to more than either cap, and to nearly all of both. Meanwhile a process refreshes
the budgets, as the worker does.
"""

import datetime as dt
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import psycopg

from benchmarks.server import manage, web
from sensenova_billing.dev_server.parent_death import tied_to_caller
from tests.limits.budget_caller import PROJECTS, Order
from tests.limits.hammer import CALLERS, SERVICE, WEB_WORKERS, let_call, start_callers

CUSTOMER = "budgeted"
CAP = Decimal(40)
ENOUGH = Fraction(98, 100)
LEAST, MOST = 50, 2000  # estimated tokens of a call
# Ten seconds: longer than it takes until what a call did not use is free again.
REFUSALS = 20
BROKEN = "tests.limits.unreserved_budgets:application"
MODULE = "tests.limits.budget_caller"


@dataclass(frozen=True)
class BudgetVerdict:
    """What became of the budgets: of all calls, and of those of a project."""

    cap: Decimal
    cap_of_project: Decimal
    used: Decimal
    used_of_project: Decimal
    calls: Counter[str]
    unlike_journals: (
        int  # reported calls that are not stored as reported, and stored ones that were not reported
    )

    @property
    def share(self) -> Fraction:
        """How much of the cap was used."""
        return Fraction(self.used) / Fraction(self.cap)

    @property
    def share_of_project(self) -> Fraction:
        """How much of the project's cap was used."""
        return Fraction(self.used_of_project) / Fraction(self.cap_of_project)

    @property
    def is_passed(self) -> bool:
        """Whether more than a cap was used."""
        return self.used > self.cap or self.used_of_project > self.cap_of_project

    def faults(self) -> list[str]:
        """Return what is not as it should be."""
        found = []
        if self.is_passed:
            found.append(f"a cap was passed: {self.used:f}, {self.used_of_project:f}")
        if min(self.share, self.share_of_project) < ENOUGH:
            found.append("less than 98 % of a budget was used")
        if self.unlike_journals:
            found.append(f"{self.unlike_journals} records are unlike what was reported")
        return found


def hammer_budget(
    url: str,
    *,
    seconds: int,
    directory: Path,
    cap: Decimal = CAP,
    application: str = "sensenova_billing.wsgi:application",
    callers: int = CALLERS,
) -> BudgetVerdict:
    """Use up the budgets of a new customer in a migrated database, and return the verdict."""
    of_project = cap / 4
    key = manage(url, "shell", "-v0", code=_prepared(cap, of_project)).split()[-1]
    with web(url, application=application, workers=WEB_WORKERS, REDIS_URL="") as (port, _), _refreshing(url):
        journals = [directory / f"caller-{number}" for number in range(callers)]
        ready = start_callers(journals, module=MODULE)
        orders = [
            asdict(Order(port, key, journal.name, CUSTOMER, SERVICE, LEAST, MOST, REFUSALS, seconds))
            for journal in journals
        ]
        let_call(ready, orders)
    entries = [json.loads(line) for path in journals for line in path.read_text().splitlines()]
    return _judge(url, entries, cap, of_project)


def _prepared(cap: Decimal, of_project: Decimal) -> str:
    # No window of a day ends while the hammer runs.
    zone = "Asia/Shanghai" if dt.datetime.now(dt.UTC).hour in (23, 0) else "UTC"
    return _PREPARE.format(
        customer=CUSTOMER,
        service=SERVICE,
        zone=zone,
        cap=f"{cap}",
        of_project=f"{of_project}",
        project=PROJECTS[0],
    )


@contextmanager
def _refreshing(url: str) -> Iterator[None]:
    """Refresh budgets meanwhile, each second."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v0", "-c", _REFRESH],
        env=os.environ | {"DATABASE_URL": url, "LOG_LEVEL": "ERROR"},
        preexec_fn=tied_to_caller(),
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _judge(url: str, entries: list[dict[str, object]], cap: Decimal, of_project: Decimal) -> BudgetVerdict:
    reported = {one["id"]: one["tokens"] for one in entries if one["action"] == "reported"}
    with psycopg.connect(url) as connection:
        prices: dict[str, Decimal] = dict(connection.execute(_PRICES, [SERVICE]).fetchall())
        rows = connection.execute(_RECORDS, [CUSTOMER]).fetchall()
    stored = {event_id: tokens_in + tokens_out for event_id, tokens_in, tokens_out, _ in rows}

    def cost(project: str | None = None) -> Decimal:
        return sum(
            (
                tokens_in * prices["input_tokens"] + tokens_out * prices["output_tokens"]
                for _, tokens_in, tokens_out, its in rows
                if project in (None, its)
            ),
            Decimal(0),
        )

    return BudgetVerdict(
        cap=cap,
        cap_of_project=of_project,
        used=cost(),
        used_of_project=cost(PROJECTS[0]),
        calls=Counter(str(one["action"]) for one in entries),
        unlike_journals=len(set(reported.items()) ^ set(stored.items())),
    )


_PREPARE = """
import datetime as dt
from decimal import Decimal
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from django.db import transaction
from django.utils import timezone
from invoices.budgets.changes import set_budget
from pricing.models import CallSpecification, Service
now = timezone.now()
with transaction.atomic(), audit_context(by="hammer", reason="A test."):
    customer = Customer.objects.create(code={customer!r}, name="Budgeted", time_zone={zone!r})
    CallSpecification.objects.create(
        customer=customer, service=Service.objects.get(name={service!r}), rpm=1_000_000, tpm=None,
        begins_at=now - dt.timedelta(hours=1))
terms = dict(customer=customer, service=None, period="day", alerts_at=[50], is_cap=True, by="hammer", now=now)
set_budget(amount=Decimal({cap!r}), **terms)
set_budget(amount=Decimal({of_project!r}), metadata_name="project", metadata_value={project!r}, **terms)
print(issue_service_key(name="hammer", scopes=["calls:admit", "usage:write"])[1])
"""
_REFRESH = """
import time
from invoices.budgets.refresh import refresh_budgets
from usage.billing_hours import database_now
while True:
    refresh_budgets(now=database_now())
    time.sleep(1)
"""
# Each is the only price of its item for everybody now.
_PRICES = """
SELECT item.measure, price.unit_price / price.unit_size
  FROM pricing_price AS price
  JOIN pricing_billingitem AS item ON item.id = price.billing_item_id
  JOIN pricing_service AS service ON service.id = item.service_id
 WHERE service.name = %s AND price.customer_id IS NULL AND price.begins_at <= now()
   AND (price.ends_at IS NULL OR price.ends_at > now())
"""
_RECORDS = """
SELECT record.event_id, record.input_tokens, record.output_tokens, record.metadata ->> 'project'
  FROM usage_usagerecord AS record
  JOIN accounts_customer AS customer ON customer.id = record.customer_id
 WHERE customer.code = %s
"""
