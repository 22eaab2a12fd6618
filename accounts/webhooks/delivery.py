"""Deliveries: a worker claims an endpoint for a while, sends what is due to it, and records the outcome.

The claim is a lease in the endpoint's row, taken by whichever worker locks it first. So at most one request
to an endpoint is on its way, no transaction is open meanwhile, and what a killed worker had claimed is free
again when the lease ends: then an event may be sent twice, with the same id.
"""

import datetime as dt
import time
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.audit.context import set_audit_context
from accounts.models import DeliveryState, DisabledBecause, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.events import body_of
from accounts.webhooks.request import Answer, post
from accounts.webhooks.signing import signed_headers
from sensenova_billing.lib import clock

# Longer than a request may take, and the look-up of its host's name.
LEASE = dt.timedelta(minutes=2)
# The pauses that Standard Webhooks 1.0 recommends, without jitter: requests to an endpoint never coincide.
PAUSES = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
FAILING_FOR = dt.timedelta(days=3)
# Of one endpoint before the others have their turn.
TURN_SECONDS, MOST_OF_A_TURN = 10, 100
GONE = 410
BY = "delivery of webhooks"  # in the audit trail


@dataclass(frozen=True)
class Claim:
    """An endpoint that is ours until the lease ends."""

    endpoint_id: int
    leased_until: dt.datetime


@dataclass(frozen=True)
class _Message:
    delivery_id: int
    url: str
    headers: dict[str, str]
    body: str


def claim_endpoints(*, now: dt.datetime, most: int, failing: bool) -> list[Claim]:
    """Claim endpoints to which something is due, the longest waiting first.

    Those that failed last are claimed apart, so that they never take all the senders.
    """
    if most <= 0:
        return []
    due = WebhookEndpoint.objects.filter(
        Q(leased_until=None) | Q(leased_until__lte=now),
        Exists(_due(now).filter(endpoint=OuterRef("pk"))),
        disabled_at=None,
        removed_at=None,
        failing_since__isnull=not failing,
    ).order_by(F("leased_until").asc(nulls_first=True), "pk")
    with transaction.atomic():
        # No other worker waits here, nor does the writing of an event, which refers to the row.
        ids = [one.pk for one in due.select_for_update(skip_locked=True, no_key=True)[:most]]
        WebhookEndpoint.objects.filter(pk__in=ids).update(leased_until=now + LEASE)
    return [Claim(pk, now + LEASE) for pk in ids]


def serve_endpoint(claim: Claim) -> int:
    """Send what is due to a claimed endpoint until its turn is over or an attempt fails; return how often."""
    began, sent, error = time.monotonic(), 0, ""
    while not error and sent < MOST_OF_A_TURN and time.monotonic() < began + TURN_SECONDS:
        message = _take_next(claim, now=clock.now())
        if message is None:
            break
        _give_back_connection()
        answer = post(url=message.url, headers=message.headers, body=message.body)
        _record(message, answer, now=clock.now())
        error, sent = answer.error, sent + 1
    _held(claim).update(leased_until=clock.now())
    return sent


def stop_deliveries(endpoint: WebhookEndpoint) -> None:
    """Send nothing of what waits for an endpoint."""
    waiting = endpoint.deliveries.filter(state=DeliveryState.WAITING)
    waiting.update(state=DeliveryState.STOPPED, next_attempt_at=None)


def _give_back_connection() -> None:
    # Another thread may use it while this one waits for the receiver. Only a test is in a transaction here.
    if not connection.in_atomic_block:
        connection.close()


def _due(now: dt.datetime) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(state=DeliveryState.WAITING, next_attempt_at__lte=now)


def _held(claim: Claim) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(pk=claim.endpoint_id, leased_until=claim.leased_until)


def _take_next(claim: Claim, *, now: dt.datetime) -> _Message | None:
    """Return what is due first, signed; None where nothing is, or the endpoint is not ours any more."""
    endpoint = _held(claim).filter(leased_until__gt=now, disabled_at=None, removed_at=None).first()
    if endpoint is None:
        return None
    due = _due(now).filter(endpoint=endpoint).select_related("event")
    delivery = due.order_by("next_attempt_at", "pk").first()
    if delivery is None:
        return None
    event, body = delivery.event, body_of(delivery.event)
    headers = signed_headers(message_id=event.public_id, body=body, secrets=endpoint.secrets_at(now), now=now)
    return _Message(delivery.pk, endpoint.url, headers, body)


@transaction.atomic
def _record(message: _Message, answer: Answer, *, now: dt.datetime) -> None:
    """Write an attempt down, and what follows from it for the delivery and its endpoint."""
    delivery = WebhookDelivery.objects.select_related("endpoint").get(pk=message.delivery_id)
    # Waits for a concurrent disable or remove.
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
    delivery.refresh_from_db(fields=["state", "failures", "next_attempt_at"])
    WebhookAttempt.objects.create(
        delivery=delivery,
        at=now,
        milliseconds=answer.milliseconds,
        status=answer.status,
        error=answer.error,
        answer=answer.text,
    )
    if not answer.error:
        _succeeded(delivery, endpoint, now=now)
    elif delivery.state == DeliveryState.WAITING:
        _failed(delivery, endpoint, answer, now=now)


def _succeeded(delivery: WebhookDelivery, endpoint: WebhookEndpoint, *, now: dt.datetime) -> None:
    delivery.state, delivery.next_attempt_at, delivery.delivered_at = DeliveryState.DELIVERED, None, now
    delivery.save(update_fields=["state", "next_attempt_at", "delivered_at"])
    if endpoint.failing_since is not None:
        endpoint.failing_since = None
        endpoint.save(update_fields=["failing_since"])


def _failed(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, answer: Answer, *, now: dt.datetime
) -> None:
    delivery.failures += 1
    if delivery.failures <= len(PAUSES):
        delivery.next_attempt_at = now + PAUSES[delivery.failures - 1]
    else:
        delivery.state, delivery.next_attempt_at = DeliveryState.FAILED, None
    delivery.save(update_fields=["state", "failures", "next_attempt_at"])
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.save(update_fields=["failing_since"])
    if answer.status == GONE:
        _disable(endpoint, DisabledBecause.GONE, now=now)
    elif now - endpoint.failing_since >= FAILING_FOR:
        _disable(endpoint, DisabledBecause.FAILING, now=now)


def _disable(endpoint: WebhookEndpoint, because: DisabledBecause, *, now: dt.datetime) -> None:
    set_audit_context(by=BY, reason=f"Disabled: {because.label}.")
    endpoint.disabled_at, endpoint.disabled_because, endpoint.mail_after = now, because, now
    endpoint.save(update_fields=["disabled_at", "disabled_because", "mail_after"])
    stop_deliveries(endpoint)
