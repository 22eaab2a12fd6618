"""Rows of a bank's file, and their import."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from invoices.bank_import.book import SourceFile, import_payments
from invoices.bank_import.plan import plan_import
from invoices.bank_import.rows import BankRow
from invoices.models import BankImport
from tests.builders import at
from tests.invoices.statements.builders import STAFF

DAY = dt.date(2026, 3, 5)


def row(
    line: int = 2,
    amount: str = "100",
    *,
    payer: str = "",
    text: str = "",
    reference: str = "",
    date: dt.date = DAY,
    currency: str = "",
) -> BankRow:
    """Return a booking at the bank, of 100 RMB that came in unless the test says otherwise."""
    return BankRow(line, date, Decimal(amount), payer, text, reference, currency)


def imported(
    *rows: BankRow,
    choices: Mapping[int, str] | None = None,
    seen: str | None = None,
    name: str = "november.csv",
) -> BankImport:
    """Import these rows as they are planned now, or as they were seen."""
    choices = choices or {}
    seen = seen or plan_import(rows, choices=choices).fingerprint
    source = SourceFile(name, "0" * 64)
    return import_payments(source=source, rows=rows, choices=choices, seen=seen, by=STAFF, now=at(5))
