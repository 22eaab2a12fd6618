"""What a payment provider does for us, whichever it is, and the one that the settings choose."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from invoices.models import DisputeState, OnlinePayment

CURRENCY = "CNY"
# 8 digits of fen: the most that Stripe takes at once.
MOST_AT_ONCE = Decimal("999999.99")


class CallbackKind(StrEnum):
    """What a call-back says of a payment."""

    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTED = "disputed"


@dataclass(frozen=True)
class Checkout:
    """The page at the provider on which the customer pays, and until when."""

    provider_id: str
    url: str
    expires_at: dt.datetime


@dataclass(frozen=True)
class Dispute:
    """How a dispute stands by the provider's clock; amounts are all that moved so far, in RMB."""

    dispute_id: str
    state: DisputeState
    stated_at: dt.datetime
    evidence_by: dt.datetime | None = None
    reason: str = ""
    withdrawn: Decimal = Decimal(0)
    reinstated: Decimal = Decimal(0)


@dataclass(frozen=True)
class Callback:
    """What a provider says of one order.

    Of refunds `amount` is all that was refunded so far, of one that failed what came back, of a dispute
    what is disputed.
    """

    event_id: str
    kind: CallbackKind
    order_id: UUID | None
    amount: Decimal = Decimal(0)
    currency: str = CURRENCY
    reference: str = ""
    dispute: Dispute | None = None


class ProviderRefused(Exception):
    """The provider does not take this payment; the text is its own."""


class ProviderUnavailable(Exception):
    """The provider did not answer; the same order may be sent again."""


class CallbackRefused(Exception):
    """It is not signed by the provider, or not readable; nothing was changed."""


class PaymentProvider(Protocol):
    """Takes the customer's money and calls back."""

    name: str

    def start(self, payment: OnlinePayment, *, return_url: str) -> Checkout:
        """Open the page on which this order is paid; the same again for the same order.

        Raises ProviderRefused or ProviderUnavailable.
        """

    def look_up(self, payment: OnlinePayment) -> Callback | None:
        """Return how a payment ended, as a call-back would tell it; None while it may still come.

        Raises ProviderRefused or ProviderUnavailable.
        """

    def read_callback(self, *, body: bytes, headers: Mapping[str, str]) -> Callback | None:
        """Return what a call-back says, None if nothing of concern.

        Raises CallbackRefused, or ProviderUnavailable where the order has to be looked up.
        """
