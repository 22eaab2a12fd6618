"""The providers that the settings name."""

from django.conf import settings

from invoices.payments.fake_provider import FakeProvider
from invoices.payments.provider import PaymentProvider
from invoices.payments.provider_names import FAKE, STRIPE
from invoices.payments.stripe_provider import StripeProvider

_PROVIDERS: dict[str, PaymentProvider] = {FAKE: FakeProvider(), STRIPE: StripeProvider()}


def chosen_provider() -> PaymentProvider | None:
    """Return the provider of new payments; None: customers cannot pay online."""
    return _PROVIDERS.get(settings.PAYMENT_PROVIDER)


def calling_provider(name: str) -> PaymentProvider | None:
    """Return the provider of this name if it may call back; also of payments from before another one."""
    may_call = {FAKE: settings.PAYMENT_PROVIDER == FAKE, STRIPE: bool(settings.STRIPE_WEBHOOK_SECRET)}
    return _PROVIDERS[name] if may_call.get(name) else None
