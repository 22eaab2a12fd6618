"""What a provider's call-backs change: each once by its id, in whatever order and how often they come.

States have an order of precedence, and a payment never goes back in it: what came is booked although it was
taken for failed before. A refund or a dispute that comes before its payment waits for it. Staff look into a
refund that failed, and into those after it: what a provider then counts as refunded so far differs.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction

from invoices.models import CallbackOutcome, OnlinePayment, PaymentCallback, PaymentState
from invoices.payments.booking import apply_dispute, book_disputes, book_payment, book_refund
from invoices.payments.provider import CURRENCY, Callback, CallbackKind

_PRECEDENCE = [
    *(PaymentState.WAITING, PaymentState.EXPIRED, PaymentState.FAILED),
    *(PaymentState.MISMATCH, PaymentState.PAID),
]
_STATES = {
    CallbackKind.PAID: PaymentState.PAID,
    CallbackKind.FAILED: PaymentState.FAILED,
    CallbackKind.EXPIRED: PaymentState.EXPIRED,
}


@transaction.atomic
def apply_callback(*, callback: Callback, provider: str, now: dt.datetime) -> CallbackOutcome | None:
    """Change the payment as the provider says, and record the call-back; None: it was recorded before."""
    payment = _lock(callback.order_id, provider) if callback.order_id else None
    if PaymentCallback.objects.filter(provider=provider, event_id=callback.event_id).exists():
        return None
    outcome = CallbackOutcome.UNKNOWN if payment is None else _apply(payment, callback, now=now)
    record = PaymentCallback(
        **{"provider": provider, "event_id": callback.event_id, "kind": callback.kind, "payment": payment},
        **{"amount": callback.amount, "currency": callback.currency, "outcome": outcome, "at": now},
    )
    # Two of an unknown order may come at once; none else can, for its payment is locked.
    PaymentCallback.objects.bulk_create([record], ignore_conflicts=payment is None)
    return outcome


def _lock(order_id: UUID, provider: str) -> OnlinePayment | None:
    payments = OnlinePayment.objects.select_for_update(of=("self",)).select_related("customer", "statement")
    return payments.filter(order_id=order_id, provider=provider).first()


def _apply(payment: OnlinePayment, callback: Callback, *, now: dt.datetime) -> CallbackOutcome:
    if callback.kind == CallbackKind.REFUNDED:
        return _refund(payment, callback, now=now)
    if callback.kind == CallbackKind.REFUND_FAILED:
        return CallbackOutcome.MISMATCH
    if callback.kind == CallbackKind.DISPUTED:
        return _dispute(payment, callback, now=now)
    state = _STATES[callback.kind]
    if state == PaymentState.PAID and not _is_as_ordered(payment, callback):
        _advance(payment, PaymentState.MISMATCH, callback, now=now)
        return CallbackOutcome.MISMATCH
    if not _advance(payment, state, callback, now=now):
        return CallbackOutcome.NO_CHANGE
    if state == PaymentState.PAID:
        book_payment(payment, now=now)
        book_refund(payment, payment.refunded, now=now)
        book_disputes(payment, now=now)
    return CallbackOutcome.APPLIED


def _refund(payment: OnlinePayment, callback: Callback, *, now: dt.datetime) -> CallbackOutcome:
    """Store all that was refunded so far, and book what is new of it once the payment is booked."""
    if callback.currency != CURRENCY or callback.amount > payment.amount or _has_failed_refund(payment):
        return CallbackOutcome.MISMATCH
    more = callback.amount - payment.refunded
    if more <= 0:
        return CallbackOutcome.NO_CHANGE
    payment.refunded = callback.amount
    payment.save(update_fields=["refunded"])
    if payment.state == PaymentState.PAID:
        book_refund(payment, more, now=now)
    return _moved(payment)


def _has_failed_refund(payment: OnlinePayment) -> bool:
    return payment.callbacks.filter(kind=CallbackKind.REFUND_FAILED).exists()


def _dispute(payment: OnlinePayment, callback: Callback, *, now: dt.datetime) -> CallbackOutcome:
    if callback.dispute is None or callback.currency != CURRENCY:
        return CallbackOutcome.MISMATCH
    if not apply_dispute(payment, callback.dispute, amount=callback.amount, now=now):
        return CallbackOutcome.NO_CHANGE
    return _moved(payment)


def _moved(payment: OnlinePayment) -> CallbackOutcome:
    """Return the outcome of what moved back: staff may have booked by hand what differs from its order."""
    is_looked_into = payment.state == PaymentState.MISMATCH
    return CallbackOutcome.MISMATCH if is_looked_into else CallbackOutcome.APPLIED


def _is_as_ordered(payment: OnlinePayment, callback: Callback) -> bool:
    return (callback.amount, callback.currency) == (payment.amount, CURRENCY)


def _advance(payment: OnlinePayment, state: PaymentState, callback: Callback, *, now: dt.datetime) -> bool:
    """Store a state that takes precedence over the present one; return whether it does."""
    if _PRECEDENCE.index(state) <= _PRECEDENCE.index(PaymentState(payment.state)):
        return False
    payment.state, payment.settled_at, payment.reference = state, now, callback.reference[:100]
    payment.received, payment.received_currency = callback.amount, callback.currency[:10]
    if state == PaymentState.PAID:
        return True  # stored with its transaction
    payment.save(update_fields=["state", "settled_at", "reference", "received", "received_currency"])
    return True
