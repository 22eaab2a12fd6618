"""A provider for development: its page asks how the payment ends, and calls back at once."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core import signing
from django.urls import reverse

from invoices.models import DisputeState, OnlinePayment
from invoices.payments.provider import Callback, CallbackKind, CallbackRefused, Checkout, Dispute
from invoices.payments.provider_names import FAKE
from sensenova_billing.lib.decimals import read_decimal

LASTS = dt.timedelta(days=1)
EVIDENCE_TAKES = dt.timedelta(days=7)
# How long after the order a dispute is in each state.
_DECIDED_AFTER = {state: dt.timedelta(hours=n) for n, state in enumerate(DisputeState, start=1)}
_SALT = "invoices.payments.fake"


class FakeProvider:
    """Takes no money; its call-backs are signed with the key of the site."""

    name = FAKE

    def start(self, payment: OnlinePayment, *, return_url: str) -> Checkout:
        """Lead to a page of our own."""
        url = reverse("fake_checkout", args=[payment.order_id])
        return Checkout(f"fake_{payment.order_id.hex}", url, payment.ordered_at + LASTS)

    def look_up(self, payment: OnlinePayment) -> Callback | None:
        """Say that a payment was not made before its page ended."""
        return Callback(f"{payment.order_id} looked up", CallbackKind.EXPIRED, payment.order_id)

    def read_callback(self, *, body: bytes, headers: Mapping[str, str]) -> Callback | None:
        """Read what `fake_callback` has written."""
        try:
            content = signing.loads(body.decode(), salt=_SALT)
        except (signing.BadSignature, UnicodeDecodeError) as error:
            raise CallbackRefused(str(error)) from error
        return Callback(
            event_id=content["id"],
            kind=CallbackKind(content["kind"]),
            order_id=UUID(content["order"]),
            amount=read_decimal(content["amount"]),
            reference=content["reference"],
            dispute=_read_dispute(content["dispute"]) if content["dispute"] else None,
        )


def fake_callback(payment: OnlinePayment, kind: CallbackKind, amount: Decimal) -> bytes:
    """Return the body of a call-back as this provider would send it."""
    return _body(payment, kind, amount)


def fake_dispute(payment: OnlinePayment, state: DisputeState) -> bytes:
    """Return the body of a call-back of a dispute: the whole payment is taken back, and returned if won."""
    dispute = {
        "id": f"dispute_{payment.order_id.hex}",
        "state": state.value,
        "stated_at": (payment.ordered_at + _DECIDED_AFTER[state]).isoformat(),
        "evidence_by": (payment.ordered_at + EVIDENCE_TAKES).isoformat(),
        "is_reinstated": state == DisputeState.WON,
        "amount": f"{payment.amount:.2f}",
    }
    return _body(payment, CallbackKind.DISPUTED, payment.amount, dispute)


def _body(
    payment: OnlinePayment, kind: CallbackKind, amount: Decimal, dispute: dict[str, Any] | None = None
) -> bytes:
    words = [str(payment.order_id), kind.value, str(amount), *([dispute["state"]] if dispute else [])]
    content = {
        **{"id": " ".join(words), "kind": kind.value, "order": str(payment.order_id), "dispute": dispute},
        **{"amount": f"{amount:.2f}", "reference": f"fake_{payment.order_id.hex[:8]}"},
    }
    return signing.dumps(content, salt=_SALT).encode()


def _read_dispute(content: dict[str, Any]) -> Dispute:
    amount = read_decimal(content["amount"])
    return Dispute(
        dispute_id=content["id"],
        state=DisputeState(content["state"]),
        stated_at=dt.datetime.fromisoformat(content["stated_at"]),
        evidence_by=dt.datetime.fromisoformat(content["evidence_by"]),
        withdrawn=amount,
        reinstated=amount if content["is_reinstated"] else Decimal(0),
    )
