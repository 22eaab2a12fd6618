"""What tests of limits need: a customer's own limits, and calls that it asks for."""

import datetime as dt
from typing import Any

from accounts.models import Customer
from pricing.models import CallSpecification, Service
from tests.builders import price
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, RequestedCall

NAME, OTHER = "SenseChat-5", "SenseChat"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TINY = CallLimits(rpm=1, tpm=10)
NOBODY_LISTENS = "redis://127.0.0.1:1"


def service(name: str = NAME) -> Service:
    """Return a service by name."""
    return Service.objects.get(name=name)


def limit(customer: Customer, rpm: int, tpm: int | None = None, **fields: Any) -> CallSpecification:
    """Let these be a customer's own limits for SenseChat-5, from long ago unless told otherwise."""
    fields = {"begins_at": LONG_AGO} | fields
    return CallSpecification.objects.create(customer=customer, service=service(), rpm=rpm, tpm=tpm, **fields)


def ask(customer: Customer, *calls: int, limits: CallLimits = TINY, name: str = NAME) -> None:
    """Ask for calls of so many tokens within these limits."""
    asked = [
        RequestedCall(customer.pk, service(name).pk, f"{customer.code}-{name}-{n}", tokens, limits)
        for n, tokens in enumerate(calls)
    ]
    call_windows().admit(asked)


def unlimited_service() -> Service:
    """Put a service on sale that has no call specification."""
    new = Service.objects.create(name="nova-2", group=service().group, position=99)
    new.billing_items.create(measure="input_tokens")
    price("nova-2", "input_tokens", "1", begins_at=LONG_AGO)
    return new
