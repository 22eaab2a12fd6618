"""A provider for development: its page asks how the payment ends, and calls back at once."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from django.core import signing
from django.urls import reverse

from invoices.models import OnlinePayment
from invoices.payments.provider import Callback, CallbackKind, CallbackRefused, Checkout
from invoices.payments.provider_names import FAKE
from sensenova_billing.lib.decimals import read_decimal

LASTS = dt.timedelta(days=1)
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
        )


def fake_callback(payment: OnlinePayment, kind: CallbackKind, amount: Decimal) -> bytes:
    """Return the body of a call-back as this provider would send it."""
    content = {
        **{"id": f"{payment.order_id} {kind} {amount}", "kind": kind.value, "order": str(payment.order_id)},
        **{"amount": f"{amount:.2f}", "reference": f"fake_{payment.order_id.hex[:8]}"},
    }
    return signing.dumps(content, salt=_SALT).encode()
