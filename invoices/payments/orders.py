"""Ordering a payment: a row first, then the provider's page for it, so nothing is paid without one."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from accounts.models import Customer
from invoices.account.transactions import FEN
from invoices.models import OnlinePayment, Statement
from invoices.payments.provider import MOST_AT_ONCE, PaymentProvider


class PaymentRefused(Exception):
    """Nothing was ordered; the text says why."""


@transaction.atomic
def order_payment(
    *,
    customer: Customer,
    amount: Decimal,
    statement: Statement | None,
    order_id: UUID,
    provider: PaymentProvider,
    by: str,
    now: dt.datetime,
) -> OnlinePayment:
    """Order a payment, of a statement or to top up; the same order again returns the same payment.

    Raises PaymentRefused for an amount that cannot be paid, and for an order id of another payment.
    """
    if not FEN <= amount <= MOST_AT_ONCE or amount != amount.quantize(FEN):
        words = gettext("Give an amount in whole fen from %(least)s to %(most)s RMB.")
        raise PaymentRefused(words % {"least": f"{FEN}", "most": f"{MOST_AT_ONCE:,}"})
    payment, _ = OnlinePayment.objects.get_or_create(
        order_id=order_id,
        defaults={
            **{"customer": customer, "amount": amount, "statement": statement},
            **{"provider": provider.name, "ordered_by": by, "ordered_at": now},
        },
    )
    if (payment.customer_id, payment.amount, payment.statement) != (customer.pk, amount, statement):
        raise PaymentRefused(gettext("This order is that of another payment. Open the page again."))
    return payment


def open_checkout(*, payment: OnlinePayment, provider: PaymentProvider, return_url: str) -> OnlinePayment:
    """Store and return where the customer pays; of the same payment once. Not within a transaction.

    Raises ProviderRefused or ProviderUnavailable; the same order may then be sent again.
    """
    if not payment.checkout_url:
        opened = provider.start(payment, return_url=return_url)
        OnlinePayment.objects.filter(pk=payment.pk, checkout_url="").update(
            provider_id=opened.provider_id, checkout_url=opened.url, expires_at=opened.expires_at
        )
        payment.refresh_from_db()
    return payment
