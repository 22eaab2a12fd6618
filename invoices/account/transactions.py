"""Booking on a customer's account: what each kind of transaction enters where, each once by its key.

On RECEIVABLE, what the customer owes more is positive. Nothing is changed or deleted afterwards: an error is
reversed by a transaction of its own.
"""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext

from accounts.models import Customer, EventKind
from accounts.webhooks.events import emit_event
from invoices.account.balance_rules import resume_if_within_rules
from invoices.models import AccountEntry, AccountTransaction, LedgerAccount, Statement, TransactionKind
from pricing.rules.amounts import plain

FEN = Decimal("0.01")
MOST = Decimal(10) ** 12  # of one transaction, in RMB

# The account that stands against the customer's, and whether the customer owes more by it.
_AGAINST: dict[str, tuple[LedgerAccount, bool]] = {
    TransactionKind.STATEMENT: (LedgerAccount.SALES, True),
    TransactionKind.PAYMENT: (LedgerAccount.BANK, False),
    TransactionKind.REFUND: (LedgerAccount.BANK, True),
    TransactionKind.CREDIT: (LedgerAccount.ALLOWANCES, False),
    TransactionKind.CHARGE: (LedgerAccount.ALLOWANCES, True),
    TransactionKind.WRITE_OFF: (LedgerAccount.BAD_DEBT, False),
    TransactionKind.CHARGEBACK: (LedgerAccount.BANK, True),
    TransactionKind.CHARGEBACK_REVERSAL: (LedgerAccount.BANK, False),
}


class TransactionRefused(Exception):
    """Nothing was booked; the text says why."""


class KeyReused(TransactionRefused):
    """The key names a transaction with another customer, amount or kind."""


def book(
    *,
    customer: Customer,
    kind: TransactionKind,
    amount: Decimal,
    reference: str,
    value_date: dt.date,
    by: str,
    now: dt.datetime,
    key: str = "",
    reason: str = "",
    has_happened: bool = False,
) -> AccountTransaction:
    """Book an amount above 0, in RMB to the fen; the same key again returns the same transaction.

    Raises KeyReused if the key names another one, TransactionRefused for an amount that cannot be booked or,
    of a refund or write-off, for more than there is; not of a refund that the bank has made already.
    """
    if kind == TransactionKind.STATEMENT:
        raise TransactionRefused(gettext("A statement is booked when it is issued."))
    _require_bookable(amount)
    key = key or str(uuid4())
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)  # one after the other
        # The index of keys begins with the kind.
        if before := AccountTransaction.objects.filter(kind__in=TransactionKind.values, key=key).first():
            return _same(before, customer=customer, kind=kind, amount=amount)
        if not has_happened:
            _require_cover(customer=customer, kind=kind, amount=amount)
        booked = AccountTransaction(
            **{"customer": customer, "kind": kind, "key": key, "reference": reference, "reason": reason},
            **{"value_date": value_date, "by": by, "at": now},
        )
        _enter(booked, amount)
        if kind == TransactionKind.PAYMENT:
            _emit_payment(booked, amount)
        resume_if_within_rules(customer=customer, now=now)
        return booked


def book_statement(statement: Statement) -> AccountTransaction | None:
    """Book an issued statement, in the transaction that issues it; None if nothing is to be paid."""
    if not statement.payable:
        return None
    booked = AccountTransaction(
        customer_id=statement.customer_id,
        kind=TransactionKind.STATEMENT,
        key=statement.number,
        reference=statement.number,
        value_date=statement.issued_at.date(),
        statement=statement,
        at=statement.issued_at,
    )
    return _enter(booked, statement.payable)


def reverse_transaction(
    *, booked: AccountTransaction, reason: str, by: str, now: dt.datetime
) -> AccountTransaction:
    """Book the opposite of what was booked in error; the same again returns the same.

    Raises TransactionRefused for a statement, which is corrected by a later one, and for a reversal.
    """
    if booked.kind == TransactionKind.STATEMENT:
        raise TransactionRefused(gettext("A statement is not reversed; corrections are on a later one."))
    if booked.reverses_id:
        raise TransactionRefused(gettext("A reversal is not reversed; book what is right."))
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=booked.customer_id)
        if before := AccountTransaction.objects.filter(reverses=booked).first():
            return before
        reversal = AccountTransaction(
            **{"customer_id": booked.customer_id, "kind": booked.kind, "key": f"reverses {booked.pk}"},
            **{"reference": booked.reference, "reason": reason, "by": by, "at": now},
            **{"value_date": booked.value_date, "reverses": booked},
        )
        _enter(reversal, -amount_of(booked))
        resume_if_within_rules(customer=booked.customer, now=now)
        return reversal


def balance_of(customer: Customer, *, before: int | None = None) -> Decimal:
    """Return the customer's balance in RMB: below 0 it owes, above 0 it has paid ahead.

    With `before`, the number of a transaction, the balance that it began with.
    """
    entries = AccountEntry.objects.filter(transaction__customer=customer, account=LedgerAccount.RECEIVABLE)
    if before is not None:
        entries = entries.filter(transaction_id__lt=before)
    return -(entries.aggregate(owed=Sum("amount"))["owed"] or Decimal(0))


def amount_of(booked: AccountTransaction) -> Decimal:
    """Return the amount of a transaction as it was booked; of a reversal it is negative."""
    _, is_owed = _AGAINST[booked.kind]
    (entry,) = (one for one in booked.entries.all() if one.account == LedgerAccount.RECEIVABLE)
    return entry.amount if is_owed else -entry.amount


def _enter(booked: AccountTransaction, amount: Decimal) -> AccountTransaction:
    against, is_owed = _AGAINST[booked.kind]
    owed = amount if is_owed else -amount
    booked.save(force_insert=True)
    AccountEntry.objects.bulk_create(
        AccountEntry(transaction=booked, account=account, amount=entry)
        for account, entry in ((LedgerAccount.RECEIVABLE, owed), (against, -owed))
    )
    return booked


def _emit_payment(booked: AccountTransaction, amount: Decimal) -> None:
    emit_event(
        customer=booked.customer,
        kind=EventKind.PAYMENT_RECEIVED,
        payload={
            "reference": booked.reference,
            "value_date": str(booked.value_date),
            "amount": plain(amount),
            "balance": plain(balance_of(booked.customer)),
            "currency": "CNY",
        },
        key=str(booked.pk),
        now=booked.at,
    )


def _same(
    before: AccountTransaction, *, customer: Customer, kind: str, amount: Decimal
) -> AccountTransaction:
    if (before.customer_id, before.kind, amount_of(before)) != (customer.pk, kind, amount):
        raise KeyReused(gettext("This key is that of another transaction: %(what)s.") % {"what": before})
    return before


def _require_bookable(amount: Decimal) -> None:
    if not (amount.is_finite() and 0 < amount < MOST):
        raise TransactionRefused(gettext("The amount must be more than 0 and less than a trillion RMB."))
    if amount != amount.quantize(FEN):
        raise TransactionRefused(gettext("The amount must be in whole fen: at most two decimals."))


def _require_cover(*, customer: Customer, kind: str, amount: Decimal) -> None:
    """Refuse to refund more than was paid ahead, and to write off more than is owed."""
    if kind == TransactionKind.REFUND and amount > (most := balance_of(customer)):
        raise TransactionRefused(
            gettext("Only %(amount)s RMB are paid ahead.") % {"amount": f"{max(most, Decimal(0)):,.2f}"}
        )
    if kind == TransactionKind.WRITE_OFF and amount > (most := -balance_of(customer)):
        raise TransactionRefused(
            gettext("Only %(amount)s RMB are owed.") % {"amount": f"{max(most, Decimal(0)):,.2f}"}
        )
