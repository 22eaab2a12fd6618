"""Booking what a preview showed: all payments in one transaction, and a document of the import."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from invoices.account.transactions import book
from invoices.bank_import.plan import PlannedRow, plan_import
from invoices.bank_import.rows import BankRow
from invoices.models import AccountTransaction, BankImport, ImportedPayment, TransactionKind


@dataclass(frozen=True)
class SourceFile:
    """The file of an import: its name and the SHA-256 of its bytes."""

    name: str
    digest: str


class StalePlan(Exception):
    """Something else would be booked than was shown; nothing was."""


@transaction.atomic
def import_payments(
    *,
    source: SourceFile,
    rows: Sequence[BankRow],
    choices: Mapping[int, str],
    seen: str,
    by: str,
    now: dt.datetime,
) -> BankImport:
    """Book the payments of a file as the plan with this fingerprint showed them; or raise StalePlan."""
    with connection.cursor() as cursor:  # one import after the other: the second finds what the first booked
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('invoices: payments are imported'))")
    plan = plan_import(rows, choices=choices)
    if plan.fingerprint != seen or not plan.is_applicable:
        raise StalePlan
    made = BankImport.objects.create(
        **{"file_name": source.name, "file_digest": source.digest, "rows": len(rows), "by": by, "at": now},
        **{"payments": len(plan.to_book), "amount": plan.amount},
    )
    # Customers are locked in one order, as every other transaction that locks several does.
    planned = sorted(plan.to_book, key=lambda one: (one.customer and one.customer.pk, one.row.line))
    ImportedPayment.objects.bulk_create(
        ImportedPayment(transaction=_book(one, made), bank_import=made, line=one.row.line) for one in planned
    )
    return made


def _book(planned: PlannedRow, made: BankImport) -> AccountTransaction:
    row = planned.row
    if planned.customer is None or row.date is None:
        raise StalePlan
    return book(
        customer=planned.customer,
        kind=TransactionKind.PAYMENT,
        amount=row.amount,
        reference=planned.reference,
        value_date=row.date,
        by=made.by,
        now=made.at,
        key=planned.key,
    )
