"""Orders, and what providers call back of them."""

import datetime as dt
import json
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

from stripe import WebhookSignature

from accounts.models import Customer
from invoices.models import CallbackOutcome, DisputeState, OnlinePayment, Statement
from invoices.payments.callbacks import apply_callback
from invoices.payments.fake_provider import FakeProvider
from invoices.payments.orders import open_checkout, order_payment
from invoices.payments.provider import Callback, CallbackKind, Dispute, PaymentProvider
from tests.builders import at

ALICE = "alice@acme.example"
SECRET = "whsec_of_a_test"


def ordered(
    customer: Customer,
    amount: str = "100.00",
    *,
    statement: Statement | None = None,
    provider: PaymentProvider | None = None,
    opened: bool = True,
) -> OnlinePayment:
    """Order a payment of 100 RMB at the provider for development unless the test says otherwise."""
    provider = provider or FakeProvider()
    payment = order_payment(
        **{"customer": customer, "amount": Decimal(amount), "statement": statement, "order_id": uuid4()},  # type: ignore[arg-type]
        **{"provider": provider, "by": ALICE, "now": at(5)},  # type: ignore[arg-type]
    )
    return open_checkout(payment=payment, provider=provider, return_url="http://x/") if opened else payment


def called_back(
    payment: OnlinePayment,
    kind: str = "paid",
    amount: str = "100.00",
    *,
    event: str = "",
    currency: str = "CNY",
) -> CallbackOutcome | None:
    """Apply a call-back of this kind, with an id of its own unless the test names one."""
    callback = Callback(
        event_id=event or str(uuid4()),
        kind=CallbackKind(kind),
        order_id=payment.order_id,
        amount=Decimal(amount),
        currency=currency,
        reference="pi_1",
    )
    outcome = apply_callback(callback=callback, provider=payment.provider, now=at(10))
    payment.refresh_from_db()
    return outcome


def disputed(
    payment: OnlinePayment,
    state: DisputeState = DisputeState.NEEDS_RESPONSE,
    *,
    withdrawn: str = "100.00",
    reinstated: str = "0",
    minute: int = 10,
    dispute_id: str = "dp_1",
    currency: str = "CNY",
    reason: str = "fraudulent",
    event: str = "",
) -> CallbackOutcome | None:
    """Apply a call-back of a dispute as it stood at a minute, with evidence due seven days after that."""
    described = Dispute(
        dispute_id=dispute_id,
        state=state,
        stated_at=at(minute),
        evidence_by=at(minute) + dt.timedelta(days=7),
        reason=reason,
        withdrawn=Decimal(withdrawn),
        reinstated=Decimal(reinstated),
    )
    callback = Callback(
        event_id=event or f"{dispute_id} {state} {minute} {withdrawn} {reinstated}",
        kind=CallbackKind.DISPUTED,
        order_id=payment.order_id,
        amount=payment.amount,
        currency=currency,
        dispute=described,
    )
    outcome = apply_callback(callback=callback, provider=payment.provider, now=at(10))
    payment.refresh_from_db()
    return outcome


def stripe_event(kind: str, payment: OnlinePayment | None = None, **fields: Any) -> bytes:
    """Return an event as Stripe sends it, of a session or of a charge."""
    order = str(payment.order_id) if payment else "none of ours"
    fen = int(payment.amount * 100) if payment else 100
    is_charge = kind.startswith("charge.")
    one = {"id": "cs_1", "object": "checkout.session", "amount_total": fen, "payment_status": "paid"}
    if is_charge:
        one = {"id": "ch_1", "object": "charge", "amount_refunded": fen}
    one |= {"currency": "cny", "payment_intent": "pi_1", "metadata": {"order": order}} | fields
    return _event(kind, one)


def stripe_refund(kind: str, status: str) -> bytes:
    """Return an event of a refund of the payment pi_1."""
    one = {"id": "re_1", "object": "refund", "amount": 2550, "status": status, "metadata": {}}
    return _event(kind, one | {"charge": "ch_1", "currency": "cny", "payment_intent": "pi_1"})


def stripe_dispute(kind: str, fen: int = 10000, *, created: int = 1, moved: Any = (), **fields: Any) -> bytes:
    """Return an event of a dispute of the payment pi_1, with what moved so far in fen."""
    one = {"id": "dp_1", "object": "dispute", "amount": fen, "charge": "ch_1", "reason": "fraudulent"}
    one |= {"status": "needs_response", "evidence_details": {"due_by": 1_796_100_000}, "metadata": {}}
    transactions = [{"object": "balance_transaction", "amount": its, "currency": "cny"} for its in moved]
    one |= {"balance_transactions": transactions, "currency": "cny", "payment_intent": "pi_1"}
    return _event(f"charge.dispute.{kind}", one | fields, created=created)


def _event(kind: str, one: dict[str, Any], *, created: int = 1) -> bytes:
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": kind, "created": created}
    return json.dumps(event | {"data": {"object": one}}).encode()


def signature_of(body: bytes, *, secret: str = SECRET, age: int = 0) -> str:
    """Return the header by which Stripe signs a body so many seconds ago, by its own code."""
    made_at = int(time.time()) - age
    return str(WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=made_at))
