"""Payments of which no call-back came: looked up at the provider once its page has ended."""

import datetime as dt
import logging

from invoices.models import OnlinePayment, PaymentState
from invoices.payments.callbacks import apply_callback
from invoices.payments.choice import chosen_provider
from invoices.payments.provider import ProviderRefused, ProviderUnavailable

# A call-back may be on its way; a transfer may take days.
GRACE, FOR = dt.timedelta(minutes=10), dt.timedelta(days=14)
MOST_IN_A_ROUND = 50

logger = logging.getLogger(__name__)


def look_up_silent_payments(*, now: dt.datetime) -> int:
    """Apply how payments ended after their pages did, and return how many were changed; idempotent."""
    provider = chosen_provider()
    if provider is None:
        return 0
    silent = OnlinePayment.objects.select_related("customer").filter(
        state=PaymentState.WAITING,
        provider=provider.name,
        expires_at__gt=now - FOR,
        expires_at__lte=now - GRACE,
    )
    changed = 0
    for payment in silent.order_by("-expires_at")[:MOST_IN_A_ROUND]:
        try:
            callback = provider.look_up(payment)
        except ProviderRefused as error:
            logger.warning("The payment provider knows nothing of %s: %s", payment.order_id, error)
            continue
        except ProviderUnavailable as error:
            logger.warning("The payment provider does not answer: %s", error)
            break
        if callback and apply_callback(callback=callback, provider=provider.name, now=now):
            changed += 1
    return changed
