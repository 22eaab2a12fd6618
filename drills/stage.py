"""What the drills play with: three customers, one with a package, and hours that are closed by hand."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.server import manage

HOUR = dt.timedelta(hours=1)
CUSTOMERS = ("drill-postpaid", "drill-package", "drill-paid")

_SET = """
import datetime as dt
from uuid import uuid4
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from invoices.packages.purchase import buy_package
from pricing.models import PackageTerms
from sensenova_billing.demo.packages import sell_packages
first = dt.datetime.fromisoformat("{first}")
with audit_context(by="drill", reason="A drill."):
    for code in {customers}:
        Customer.objects.create(code=code, name=code)
sell_packages(begins_at=first, by="drill", now=first)
with audit_context(by="drill", reason="A drill."):
    buy_package(
        customer=Customer.objects.get(code="drill-package"), order_id=uuid4(), by="drill", now=first,
        terms=PackageTerms.objects.get(product__name="SenseChat-5 2M"),
    )
print(issue_service_key(name="drill", scopes=["usage:write", "calls:admit", "billing:read"])[1])
"""
_CLOSE = """
import datetime as dt
from invoices.closing.close import close_due_hours
from invoices.seals.publish import publish_seals
now = dt.datetime.fromisoformat("{now}")
print("\\n".join(str(closed) for closed in close_due_hours(now=now)))
publish_seals(now=now)
"""
_PAY = """
import datetime as dt
from decimal import Decimal
from accounts.models import Customer
from invoices.account.transactions import book
from invoices.models import TransactionKind
now = dt.datetime.fromisoformat("{now}")
book(
    customer=Customer.objects.get(code="drill-paid"), kind=TransactionKind.PAYMENT,
    amount=Decimal("{amount}"), reference="drill", value_date=now.date(), by="drill", now=now,
)
"""


def last_hours(count: int) -> list[dt.datetime]:
    """Return the last whole hours that are over, oldest first."""
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    return [now - number * HOUR for number in range(count, 0, -1)]


def set_stage(url: str, *, first: dt.datetime) -> str:
    """Make the customers, let one buy a package, and return a service key."""
    return manage(url, "shell", "-v0", code=_SET.format(first=first, customers=CUSTOMERS)).split()[-1]


def close(url: str, hour: dt.datetime, *, seals: Path | None = None) -> list[str]:
    """Close this hour and all before it, publish their seals, and return a line for each."""
    now = hour + HOUR + dt.timedelta(minutes=10)
    return manage(url, "shell", "-v0", code=_CLOSE.format(now=now), SEALS_FILE=str(seals or "")).splitlines()


def pay(url: str, *, amount: str, now: dt.datetime) -> None:
    """Book a payment of a customer."""
    manage(url, "shell", "-v0", code=_PAY.format(now=now, amount=amount))


def verify_books(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command of this name, which ends with 1 if it finds anything."""
    command = [sys.executable, "manage.py", "verify_books", *arguments]
    environment = {**os.environ, "DATABASE_URL": url}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def say(text: Any) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
