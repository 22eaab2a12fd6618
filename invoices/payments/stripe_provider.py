"""Stripe: a Checkout session for each order, and its signed call-backs.

Stripe counts RMB in fen. A payment by transfer is not paid yet when its session is completed: another
call-back follows. The metadata of the payment are those of its charges, by which refunds are found; a dispute
and a refund that failed have none of them, and name the payment only.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings

from invoices.models import DisputeState, OnlinePayment
from invoices.payments.provider import (
    CURRENCY,
    Callback,
    CallbackKind,
    CallbackRefused,
    Checkout,
    Dispute,
    ProviderRefused,
    ProviderUnavailable,
)
from invoices.payments.provider_names import STRIPE

# It would write an id of this machine to a file in the home directory, and send it with the platform.
stripe.enable_telemetry = False

SIGNATURE = "Stripe-Signature"
_ORDER = "order"
_SECONDS = 10


class StripeProvider:
    """Through Stripe's own library."""

    name = STRIPE

    def start(self, payment: OnlinePayment, *, return_url: str) -> Checkout:
        """Open a Checkout session; by the idempotency key the same order has one."""
        metadata = {_ORDER: str(payment.order_id)}
        params: Any = {
            "mode": "payment",
            "client_reference_id": str(payment.order_id),
            "line_items": [{"quantity": 1, "price_data": _price(payment)}],
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
            "success_url": return_url,
            "cancel_url": return_url,
        }
        with _errors_of_ours():
            session = _client().v1.checkout.sessions.create(
                params=params, options={"idempotency_key": str(payment.order_id)}
            )
        if not session.url:
            raise ProviderRefused(f"{session.id} has no page.")
        return Checkout(session.id, session.url, dt.datetime.fromtimestamp(session.expires_at, dt.UTC))

    def look_up(self, payment: OnlinePayment) -> Callback | None:
        """Ask for the session."""
        with _errors_of_ours():
            session = _client().v1.checkout.sessions.retrieve(payment.provider_id)
        is_paid, is_expired = session.payment_status == "paid", session.status == "expired"
        if not is_paid and not is_expired:
            return None
        return Callback(
            event_id=f"{session.id} looked up",
            kind=CallbackKind.PAID if is_paid else CallbackKind.EXPIRED,
            order_id=payment.order_id,
            **_what_came(session),
        )

    def read_callback(self, *, body: bytes, headers: Mapping[str, str]) -> Callback | None:
        """Verify the signature, then read the event."""
        try:
            event = stripe.Webhook.construct_event(
                body, headers.get(SIGNATURE), settings.STRIPE_WEBHOOK_SECRET
            )
        # It raises the others for a body that is not UTF-8 or no JSON object, and for a signature that is not
        # ASCII.
        except (stripe.SignatureVerificationError, ValueError, TypeError, AttributeError) as error:
            raise CallbackRefused(str(error)) from error
        read = _READ.get(event.type)
        return read(event) if read else None


def _price(payment: OnlinePayment) -> dict[str, Any]:
    name = payment.statement.number if payment.statement else settings.SELLER_NAME
    return {
        "currency": CURRENCY.lower(),
        "unit_amount": int(payment.amount * 100),
        "product_data": {"name": f"{name} ({payment.customer.code})"},
    }


def _client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        base_addresses={"api": settings.STRIPE_API_URL},
        http_client=stripe.RequestsClient(timeout=_SECONDS),
        max_network_retries=1,
    )


@contextmanager
def _errors_of_ours() -> Iterator[None]:
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise ProviderRefused(error.user_message or str(error)) from error
    except stripe.StripeError as error:
        raise ProviderUnavailable(str(error)) from error


def _session(kind: CallbackKind) -> Callable[[Any], Callback]:
    def read(event: Any) -> Callback:
        session = event.data.object
        return Callback(
            event_id=event.id,
            kind=kind,
            order_id=_order_of(session),
            **_what_came(session),
        )

    return read


def _what_came(session: Any) -> dict[str, Any]:
    return {
        "amount": _rmb(session.amount_total),
        "currency": str(session.currency).upper(),
        "reference": str(session.payment_intent or session.id),
    }


def _completed(event: Any) -> Callback | None:
    is_paid = event.data.object.payment_status == "paid"
    return _session(CallbackKind.PAID)(event) if is_paid else None


def _refunded(event: Any) -> Callback:
    charge = event.data.object
    return Callback(
        event_id=event.id,
        kind=CallbackKind.REFUNDED,
        order_id=_order_of(charge),
        amount=_rmb(charge.amount_refunded),
        currency=str(charge.currency).upper(),
        reference=str(charge.payment_intent or charge.id),
    )


def _refund_failed(event: Any) -> Callback | None:
    """Read a refund that did not reach the customer: once, whichever of Stripe's events says so."""
    refund = event.data.object
    if refund.status not in ("failed", "canceled"):
        return None
    return Callback(
        event_id=f"{refund.id} failed",
        kind=CallbackKind.REFUND_FAILED,
        order_id=_order_of_intent(str(refund.payment_intent or "")),
        amount=_rmb(refund.amount),
        currency=str(refund.currency).upper(),
        reference=str(refund.payment_intent or refund.charge),
    )


def _disputed(event: Any) -> Callback:
    dispute = event.data.object
    due_by = dispute.evidence_details.due_by
    withdrawn, reinstated = _moved(event)
    return Callback(
        event_id=event.id,
        kind=CallbackKind.DISPUTED,
        order_id=_order_of_intent(str(dispute.payment_intent or "")),
        amount=_rmb(dispute.amount),
        currency=str(dispute.currency).upper(),
        reference=str(dispute.payment_intent or dispute.charge),
        dispute=Dispute(
            dispute_id=dispute.id,
            # A state that is new to us is looked into.
            state=_DISPUTE_STATES.get(dispute.status, DisputeState.NEEDS_RESPONSE),
            stated_at=dt.datetime.fromtimestamp(event.created, dt.UTC),
            evidence_by=dt.datetime.fromtimestamp(due_by, dt.UTC) if due_by else None,
            reason=str(dispute.reason),
            withdrawn=_rmb(withdrawn),
            reinstated=_rmb(reinstated),
        ),
    )


def _moved(event: Any) -> tuple[int, int]:
    """Return how many fen were withdrawn and reinstated so far, without Stripe's fee.

    Where our balance at Stripe is in another currency, what moved there is the disputed amount here.
    """
    dispute = event.data.object
    moved = [
        (one.amount < 0, abs(one.amount) if one.currency == dispute.currency else dispute.amount)
        for one in dispute.balance_transactions
    ]
    withdrawn = sum(fen for is_withdrawn, fen in moved if is_withdrawn)
    reinstated = sum(fen for is_withdrawn, fen in moved if not is_withdrawn)
    if event.type == "charge.dispute.funds_withdrawn":
        withdrawn = withdrawn or dispute.amount
    if event.type == "charge.dispute.funds_reinstated":
        reinstated = reinstated or dispute.amount
    return withdrawn, reinstated


_DISPUTE_STATES = {
    **dict.fromkeys(
        ("warning_under_review", "under_review", "appeal_under_review"), DisputeState.UNDER_REVIEW
    ),
    **dict.fromkeys(("warning_closed", "prevented"), DisputeState.CLOSED),
    **{"won": DisputeState.WON, "lost": DisputeState.LOST},
}
_READ: dict[str, Callable[[Any], Callback | None]] = {
    "checkout.session.completed": _completed,
    "checkout.session.async_payment_succeeded": _session(CallbackKind.PAID),
    "checkout.session.async_payment_failed": _session(CallbackKind.FAILED),
    "checkout.session.expired": _session(CallbackKind.EXPIRED),
    "charge.refunded": _refunded,
    "charge.refund.updated": _refund_failed,
    "refund.updated": _refund_failed,
    "refund.failed": _refund_failed,
    "charge.dispute.created": _disputed,
    "charge.dispute.updated": _disputed,
    "charge.dispute.funds_withdrawn": _disputed,
    "charge.dispute.funds_reinstated": _disputed,
    "charge.dispute.closed": _disputed,
}


def _rmb(fen: int | None) -> Decimal:
    return Decimal(fen or 0) / 100


def _order_of_intent(intent: str) -> UUID | None:
    """Return the order of a payment, as Stripe has it where its own call-back has not come yet."""
    if known := OnlinePayment.objects.filter(provider=STRIPE, reference=intent).exclude(reference="").first():
        return known.order_id
    if not intent:
        return None
    try:
        with _errors_of_ours():
            return _order_of(_client().v1.payment_intents.retrieve(intent))
    except ProviderRefused:
        return None


def _order_of(one: Any) -> UUID | None:
    try:
        return UUID(str(one.metadata[_ORDER]))
    except (KeyError, TypeError, ValueError):
        return None
