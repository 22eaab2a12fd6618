"""Endpoints, events, and sending what is due."""

import datetime as dt
from typing import Any

from accounts.models import Customer, EventKind, WebhookEndpoint
from accounts.webhooks.delivery import claim_endpoints, serve_endpoint
from accounts.webhooks.endpoints import add_endpoint
from accounts.webhooks.events import emit_event
from sensenova_billing.lib import clock

ALICE = "alice@acme.example"
KINDS = [EventKind.BILL_CLOSED, EventKind.CUSTOMER_SUSPENDED]


def endpoint(customer: Customer, url: str, *, kinds: Any = tuple(KINDS)) -> WebhookEndpoint:
    """Add an endpoint."""
    return add_endpoint(customer=customer, url=url, kinds=kinds, by=ALICE, now=clock.now())


def suspended(customer: Customer, key: str = "1", *, now: dt.datetime | None = None) -> None:
    """Emit the event of a suspension."""
    emit_event(
        customer=customer,
        kind=EventKind.CUSTOMER_SUSPENDED,
        payload={"because": "staff"},
        key=key,
        now=now or clock.now(),
    )


def send_due() -> int:
    """Send what is due to each endpoint in turn; return how many requests that took."""
    claims = [
        claim
        for failing in (False, True)
        for claim in claim_endpoints(now=clock.now(), most=100, failing=failing)
    ]
    return sum(serve_endpoint(claim) for claim in claims)
