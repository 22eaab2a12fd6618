"""What call-backs book: a payment once, of refunds and disputes what is new, by the provider's keys.

The state of a dispute is that of the provider's newest description, whichever comes first; what moved only
grows. So the end is the same in any order.
"""

import datetime as dt
from decimal import Decimal

from invoices.account.transactions import book
from invoices.models import DisputeState, OnlinePayment, PaymentDispute, PaymentState, TransactionKind
from invoices.payments.provider import Dispute
from invoices.templatetags.account import (
    REFUNDED_BY_PROVIDER,
    REINSTATED_BY_PROVIDER,
    WITHDRAWN_BY_PROVIDER,
)

# Of descriptions of one second.
_PRECEDENCE = list(DisputeState)


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


def apply_dispute(payment: OnlinePayment, described: Dispute, *, amount: Decimal, now: dt.datetime) -> bool:
    """Store how a dispute stands and book what is new of it, of a payment that is locked.

    Returns whether anything changed. Of a payment that is not booked yet nothing is booked before it.
    """
    terms = {"amount": amount, "state": described.state, "stated_at": described.stated_at}
    terms |= {"evidence_by": described.evidence_by, "reason": described.reason[:100]}
    stored, is_new = PaymentDispute.objects.get_or_create(
        payment=payment, dispute_id=described.dispute_id, defaults=terms
    )
    stored.payment = payment
    is_newer = _age(described.stated_at, described.state) > _age(stored.stated_at, stored.state)
    if is_newer:
        for name, value in terms.items():
            setattr(stored, name, value)
    withdrawn = max(described.withdrawn - stored.withdrawn, Decimal(0))
    reinstated = max(described.reinstated - stored.reinstated, Decimal(0))
    stored.withdrawn += withdrawn
    stored.reinstated += reinstated
    stored.save()
    if payment.state == PaymentState.PAID:
        _book_withdrawal(stored, withdrawn, now=now)
        _book_reinstatement(stored, reinstated, now=now)
    return is_new or is_newer or bool(withdrawn or reinstated)


def book_disputes(payment: OnlinePayment, *, now: dt.datetime) -> None:
    """Book what was withdrawn and reinstated before the payment was booked."""
    for dispute in payment.disputes.select_related("payment__customer", "payment__statement").order_by("pk"):
        _book_withdrawal(dispute, dispute.withdrawn, now=now)
        _book_reinstatement(dispute, dispute.reinstated, now=now)


def _book_withdrawal(dispute: PaymentDispute, amount: Decimal, *, now: dt.datetime) -> None:
    """Book this much of what the provider took back, up to all that it took so far."""
    key = f"{dispute.dispute_id} withdrawn up to {dispute.withdrawn:.2f}"
    kind = TransactionKind.CHARGEBACK
    _book(dispute.payment, kind, amount, key=key, reason=WITHDRAWN_BY_PROVIDER, now=now)


def _book_reinstatement(dispute: PaymentDispute, amount: Decimal, *, now: dt.datetime) -> None:
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


def _age(stated_at: dt.datetime, state: str) -> tuple[dt.datetime, int]:
    return stated_at, _PRECEDENCE.index(DisputeState(state))
