"""Disputes of payments: how each stands, and what the provider took back and returned of it.

The state is that of the provider's newest description, whichever comes first; what moved only grows. So the
end is the same in any order.
"""

import datetime as dt
from decimal import Decimal

from invoices.models import DisputeState, OnlinePayment, PaymentDispute, PaymentState
from invoices.payments.booking import book_reinstatement, book_withdrawal
from invoices.payments.provider import Dispute

# Of descriptions of one second.
_PRECEDENCE = list(DisputeState)


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
        book_withdrawal(stored, withdrawn, now=now)
        book_reinstatement(stored, reinstated, now=now)
    return is_new or is_newer or bool(withdrawn or reinstated)


def book_disputes(payment: OnlinePayment, *, now: dt.datetime) -> None:
    """Book what was withdrawn and reinstated before the payment was booked."""
    for dispute in payment.disputes.select_related("payment__customer", "payment__statement").order_by("pk"):
        book_withdrawal(dispute, dispute.withdrawn, now=now)
        book_reinstatement(dispute, dispute.reinstated, now=now)


def _age(stated_at: dt.datetime, state: str) -> tuple[dt.datetime, int]:
    return stated_at, _PRECEDENCE.index(DisputeState(state))
