"""A customer's account as a bank shows one: each transaction with the balance after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import F, Max, QuerySet

from accounts.models import Customer
from invoices.account.transactions import balance_of
from invoices.models import AccountTransaction, Adjustment, LedgerAccount
from invoices.packages.pagination import Page, newest_first
from pricing.models import Decision

TRANSACTIONS_A_PAGE = 50


@dataclass(frozen=True)
class AccountLine:
    """A transaction as the customer reads it: `change` below 0 is charged, above 0 paid or credited."""

    transaction: AccountTransaction
    change: Decimal
    balance: Decimal


def account_lines(
    *, customer: Customer, older_than: int | None = None, newer_than: int | None = None
) -> tuple[list[AccountLine], Page]:
    """Return a page of the customer's transactions, newest first, and its place among the pages."""
    page = newest_first(
        transactions_of(customer), size=TRANSACTIONS_A_PAGE, older_than=older_than, newer_than=newer_than
    )
    if not page.rows:
        return [], page
    return _with_balance(page.rows, balance_of(customer, before=page.rows[-1].pk)), page


def transactions_of(customer: Customer) -> QuerySet[AccountTransaction]:
    """Return the customer's transactions with what each changes."""
    own = AccountTransaction.objects.filter(customer=customer, entries__account=LedgerAccount.RECEIVABLE)
    return own.annotate(change=-F("entries__amount")).select_related("statement", "reverses")


def adjustments_ahead(customer: Customer) -> QuerySet[Adjustment]:
    """Return the approved credits and charges by hand that are on no statement yet, newest first."""
    approved = Adjustment.objects.filter(customer=customer, decision=Decision.APPROVED)
    billed_until = customer.statements.aggregate(last=Max("ends_at"))["last"]
    return approved.filter(decided_at__gte=billed_until) if billed_until else approved


def _with_balance(newest_first: Sequence[AccountTransaction], balance: Decimal) -> list[AccountLine]:
    lines = []
    for one in reversed(newest_first):
        change: Decimal = one.change  # type: ignore[attr-defined]  # annotated
        balance += change
        lines.append(AccountLine(one, change, balance))
    return lines[::-1]
