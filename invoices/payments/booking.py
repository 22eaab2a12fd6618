"""What call-backs book: a payment once, of refunds and disputes what is new, by the provider's keys."""

import datetime as dt
from decimal import Decimal

from invoices.account.transactions import book
from invoices.models import OnlinePayment, PaymentDispute, TransactionKind
from invoices.templatetags.account import (
    REFUNDED_BY_PROVIDER,
    REINSTATED_BY_PROVIDER,
    WITHDRAWN_BY_PROVIDER,
)


def book_payment(payment: OnlinePayment, *, now: dt.datetime) -> None:
    """Book what was ordered, and store the payment with its transaction."""
    payment.transaction = book(
        customer=payment.customer,
        kind=TransactionKind.PAYMENT,
        amount=payment.amount,
        reference=_reference(payment),
        value_date=now.date(),
        by=payment.provider,
        now=now,
        key=f"{payment.provider} {payment.order_id}",
    )
    payment.save()


def book_refund(payment: OnlinePayment, amount: Decimal, *, now: dt.datetime) -> None:
    """Book this much of a refund, up to all that was refunded so far."""
    key = f"{payment.order_id} up to {payment.refunded:.2f}"
    _book(payment, TransactionKind.REFUND, amount, key=key, reason=REFUNDED_BY_PROVIDER, now=now)


def book_withdrawal(dispute: PaymentDispute, amount: Decimal, *, now: dt.datetime) -> None:
    """Book this much of what the provider took back, up to all that it took so far."""
    key = f"{dispute.dispute_id} withdrawn up to {dispute.withdrawn:.2f}"
    kind = TransactionKind.CHARGEBACK
    _book(dispute.payment, kind, amount, key=key, reason=WITHDRAWN_BY_PROVIDER, now=now)


def book_reinstatement(dispute: PaymentDispute, amount: Decimal, *, now: dt.datetime) -> None:
    """Book this much of what the provider gave back, up to all that it gave so far."""
    key = f"{dispute.dispute_id} reinstated up to {dispute.reinstated:.2f}"
    kind = TransactionKind.CHARGEBACK_REVERSAL
    _book(dispute.payment, kind, amount, key=key, reason=REINSTATED_BY_PROVIDER, now=now)


def _book(
    payment: OnlinePayment,
    kind: TransactionKind,
    amount: Decimal,
    *,
    key: str,
    reason: str,
    now: dt.datetime,
) -> None:
    if amount:
        book(
            customer=payment.customer,
            kind=kind,
            amount=amount,
            reference=_reference(payment),
            reason=reason,
            value_date=now.date(),
            by=payment.provider,
            now=now,
            key=f"{payment.provider} {key}",
            has_happened=True,
        )


def _reference(payment: OnlinePayment) -> str:
    number = payment.statement.number if payment.statement else ""
    return " ".join(filter(None, (number, payment.reference)))
