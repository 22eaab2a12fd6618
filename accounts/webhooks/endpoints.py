"""What a customer's owners do with webhook endpoints."""

import datetime as dt
from collections.abc import Sequence
from uuid import uuid4

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.audit.context import audit_context
from accounts.models import (
    Customer,
    DeliveryState,
    DisabledBecause,
    EventKind,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from accounts.webhooks.addresses import checked_addresses, read_url
from accounts.webhooks.delivery import stop_deliveries
from accounts.webhooks.signing import new_secret

MOST_ENDPOINTS = 20


class EndpointRefused(Exception):
    """Nothing was done with an endpoint, for this reason."""


def endpoints_of(customer: Customer) -> QuerySet[WebhookEndpoint]:
    """Return the customer's endpoints that are not removed, newest first."""
    return WebhookEndpoint.objects.filter(customer=customer, removed_at=None)


def add_endpoint(
    *, customer: Customer, url: str, kinds: Sequence[str], by: str, now: dt.datetime
) -> WebhookEndpoint:
    """Add an endpoint with a secret of its own; raise AddressRefused or EndpointRefused."""
    target = read_url(url)
    checked_addresses(target)
    with audit_context(by=by):
        # Two who add the last endpoint that there may be, or the same one, wait for each other here.
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        present = endpoints_of(customer)
        if present.filter(url=str(target)).exists():
            raise EndpointRefused(gettext("There is an endpoint with this address already."))
        if present.count() >= MOST_ENDPOINTS:
            raise EndpointRefused(
                gettext("There are %(most)s endpoints already. Remove one that is not used.")
                % {"most": MOST_ENDPOINTS}
            )
        return WebhookEndpoint.objects.create(
            customer=customer, url=str(target), kinds=list(kinds), secret=new_secret(), created_at=now
        )


def choose_kinds(*, endpoint: WebhookEndpoint, kinds: Sequence[str], by: str) -> None:
    """Send these kinds of events from now on."""
    with audit_context(by=by):
        locked = _locked(endpoint)
        locked.kinds = list(kinds)
        locked.save(update_fields=["kinds"])


def rotate_secret(*, endpoint: WebhookEndpoint, overlap: dt.timedelta, by: str, now: dt.datetime) -> str:
    """Sign with a new secret, and for the overlap with the present one too; return the new one."""
    with audit_context(by=by):
        locked = _locked(endpoint)
        if overlap and len(locked.secrets_at(now)) > 1:
            raise EndpointRefused(
                gettext("An earlier secret is still in use. Wait until it ends, or end both at once.")
            )
        previous = locked.secret if overlap else ""
        locked.secret, locked.previous_secret = new_secret(), previous
        locked.previous_secret_until = now + overlap if overlap else None
        locked.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        return locked.secret


def disable_endpoint(*, endpoint: WebhookEndpoint, by: str, now: dt.datetime) -> None:
    """Send nothing more, not even what waits."""
    with audit_context(by=by):
        locked = _locked(endpoint)
        if locked.disabled_at is None:
            locked.disabled_at, locked.disabled_because = now, DisabledBecause.OWNER
            locked.save(update_fields=["disabled_at", "disabled_because"])
            stop_deliveries(locked)


def enable_endpoint(*, endpoint: WebhookEndpoint, by: str) -> None:
    """Send events from now on; those of the meantime are not written for it."""
    with audit_context(by=by):
        locked = _locked(endpoint)
        locked.disabled_at, locked.disabled_because = None, ""
        locked.mail_after = locked.failing_since = None
        locked.save(update_fields=["disabled_at", "disabled_because", "mail_after", "failing_since"])


def remove_endpoint(*, endpoint: WebhookEndpoint, by: str, now: dt.datetime) -> None:
    """Forget the secrets, and send nothing more."""
    with audit_context(by=by):
        locked = _locked(endpoint)
        locked.removed_at, locked.secret, locked.previous_secret = now, "", ""
        locked.previous_secret_until = locked.mail_after = None
        locked.save()
        stop_deliveries(locked)


def send_test(*, endpoint: WebhookEndpoint, by: str, now: dt.datetime) -> WebhookDelivery:
    """Let a test event be sent to this endpoint alone."""
    with audit_context(by=by):
        locked = _enabled(endpoint)
        event = WebhookEvent.objects.create(
            customer_id=locked.customer_id,
            kind=EventKind.TEST,
            key=str(uuid4()),
            payload={"customer": endpoint.customer.code},
            at=now,
        )
        return WebhookDelivery.objects.create(
            event=event, endpoint=locked, state=DeliveryState.WAITING, failures=0, next_attempt_at=now
        )


def resend(*, delivery: WebhookDelivery, by: str, now: dt.datetime) -> None:
    """Let an event be sent once more, with the same id and all attempts ahead."""
    with audit_context(by=by):
        _enabled(delivery.endpoint)
        WebhookDelivery.objects.filter(pk=delivery.pk).update(
            state=DeliveryState.WAITING, failures=0, next_attempt_at=now
        )


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    if locked.removed_at is not None:
        raise EndpointRefused(gettext("This endpoint is removed."))
    return locked


def _enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    locked = _locked(endpoint)
    if locked.disabled_at is not None:
        raise EndpointRefused(gettext("This endpoint is disabled. Enable it first."))
    return locked
