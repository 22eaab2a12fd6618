"""The endpoints that take usage, each with the payload by which it is sent the same record."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import Client

from tests.builders import at
from usage.models import RefusedUsage


@dataclass(frozen=True)
class Endpoint:
    """A path, how it is sent a record, and how a batch; None: it takes no batch."""

    path: str
    record: Callable[..., dict[str, Any]]
    one: Callable[[Any], Any]
    batch: Callable[[list[Any]], Any] | None = list


def _ours(
    *, customer: str, service: str, event_id: str, occurred_at: dt.datetime, tokens: int
) -> dict[str, Any]:
    instant = occurred_at.isoformat()
    return {
        "event_id": event_id, "customer": customer, "service": service, "occurred_at": instant,
        "input_tokens": tokens,
    }  # fmt: skip


def _cloudevent(
    *, customer: str, service: str, event_id: str, occurred_at: dt.datetime, tokens: int
) -> dict[str, Any]:
    return {
        "specversion": "1.0", "type": "tokens", "source": "test", "id": event_id, "subject": customer,
        "time": occurred_at.isoformat(), "data": {"model": service, "prompt_tokens": tokens},
    }  # fmt: skip


def _litellm(
    *, customer: str, service: str, event_id: str, occurred_at: dt.datetime, tokens: int
) -> dict[str, Any]:
    return {
        "id": event_id, "model": service, "end_user": customer, "endTime": int(occurred_at.timestamp()),
        "prompt_tokens": tokens, "messages": [{"role": "user", "content": "a secret"}],
    }  # fmt: skip


def _lago(
    *, customer: str, service: str, event_id: str, occurred_at: dt.datetime, tokens: int
) -> dict[str, Any]:
    return {
        "transaction_id": event_id, "external_subscription_id": customer, "code": "tokens",
        "timestamp": int(occurred_at.timestamp()), "properties": {"model": service, "prompt_tokens": tokens},
    }  # fmt: skip


USAGE = Endpoint("/api/v1/usage", _ours, dict)
ENDPOINTS = [
    USAGE,
    Endpoint("/api/v1/events", _cloudevent, dict),
    Endpoint("/api/v1/litellm", _litellm, dict),
    Endpoint("/lago/api/v1/events", _lago, lambda event: {"event": event}, None),
    Endpoint(
        "/lago/api/v1/events/batch",
        _lago,
        lambda event: {"events": [event]},
        lambda events: {"events": events},
    ),
]


def a_record(endpoint: Endpoint, **fields: Any) -> dict[str, Any]:
    """Return a call of SenseChat-5 by Acme as it is sent to this endpoint."""
    call = {
        "customer": "acme", "service": "SenseChat-5", "event_id": "call-1", "occurred_at": at(10),
        "tokens": 12,
    }  # fmt: skip
    return endpoint.record(**(call | fields))


def send(path: str, body: Any, key: str, content_type: str = "application/json") -> int:
    """Post a body, JSON unless it is text already, and return the status of the answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Client().post(path, text, content_type=content_type, headers=headers).status_code


def counted() -> list[tuple[Any, ...]]:
    """Return reason, customer, key's name, requests and records of every counter."""
    values = ("reason", "customer__code", "key__name", "requests", "records")
    return [*RefusedUsage.objects.order_by("reason", "customer__code", "key__name").values_list(*values)]
