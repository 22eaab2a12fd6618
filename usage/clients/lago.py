"""Lago's events, as its SDKs, lago-agent-sdk and LiteLLM's `lago` callback send them.

| ours | theirs |
|---|---|
| event id | `transaction_id` |
| customer | `external_subscription_id` |
| service | `properties.model`, by its name or an alias |
| occurred at | `timestamp`, Unix seconds; the arrival if missing |
| quantities | `properties` as a usage object, see `usage_objects`; or `properties.value`, see `LAGO_CODES` |
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pricing.rules.measures import Measure
from sensenova_billing.lib.api.errors import Unreadable
from sensenova_billing.lib.api.strict_json import BadItem, require_text
from sensenova_billing.lib.local_time import utc_text
from usage.clients.parsing import (
    WrittenFloat,
    read_client_json,
    require_object,
    timed_report,
    unix_time,
    whole_number,
)
from usage.clients.usage_objects import has_counts, quantities_of
from usage.ingest.payload import UsageReport, each_item, require_batch

# The client's names of our fields, for errors in its format.
NAMES = {
    "event_id": "transaction_id",
    "customer": "external_subscription_id",
    "service": "properties.model",
    "occurred_at": "timestamp",
    **{measure.value: "properties" for measure in Measure},
}

# The codes of lago-agent-sdk's events, one for each count of a call.
LAGO_CODES = {
    "llm_input_tokens": Measure.INPUT_TOKENS.value,
    "llm_output_tokens": Measure.OUTPUT_TOKENS.value,
}
# Parts that are events of their own: of both where the provider reports the part beside its whole.
LAGO_PARTS = {
    "llm_cached_input_tokens": (Measure.INPUT_TOKENS, Measure.CACHED_INPUT_TOKENS),
    "llm_cache_creation_tokens": (Measure.INPUT_TOKENS, Measure.CACHE_WRITE_TOKENS),
    "llm_cache_write_5m_tokens": (),
    "llm_cache_write_1h_tokens": (),
    "llm_reasoning_tokens": (Measure.OUTPUT_TOKENS,),
}
_WITHIN_ANOTHER = {"llm_cache_write_5m_tokens", "llm_cache_write_1h_tokens"}
# As lago-agent-sdk 0.3.1 reports them: it passes on what each provider says.
_INPUT_HAS_CACHE = {"openai", "gemini", "workers-ai", "mistral"}
_OUTPUT_HAS_REASONING = {"openai", "workers-ai"}
_OPENAI_SHAPED = {"databricks_gateway", "ramp_router"}
_PROVIDERS = {
    *_INPUT_HAS_CACHE, "anthropic", "snowflake", "databricks", "bedrock", "amazon", "meta", "cohere", "qwen",
    "google", "minimax", "nvidia", "zai", "ramp_router",
}  # fmt: skip

_ECHOED = ("transaction_id", "external_subscription_id", "code", "precise_total_amount_cents")
# Lago's ids are UUIDs; ours derive from the event's id, so that a resend gets the same answer.
_NAMESPACE = uuid.UUID("7d1f6d0c-3b0e-4c53-9d0e-5f3f8b8a6a11")


@dataclass(frozen=True)
class LagoEvent:
    """One event as it was sent, and its report."""

    sent: Mapping[str, Any]
    report: UsageReport


def decode_event(body: bytes, *, now: dt.datetime) -> list[LagoEvent]:
    """Return the event in `{"event": {...}}`; raise Unreadable or InvalidUsage."""
    return _decode([_wrapped(body, "event")], now)


def decode_event_batch(body: bytes, *, now: dt.datetime) -> list[LagoEvent]:
    """Return the events in `{"events": [...]}`; raise Unreadable, or InvalidUsage with every bad event."""
    items = _wrapped(body, "events")
    if not isinstance(items, list):
        raise Unreadable("malformed_event", "`events` must be an array. Nothing was stored.")
    require_batch(items)
    return _decode(items, now)


def answer_of(event: LagoEvent, *, now: dt.datetime) -> dict[str, Any]:
    """Return Lago's answer for a stored event; of its properties, those with plain values."""
    properties = event.sent["properties"]
    return {
        "lago_id": str(uuid.uuid5(_NAMESPACE, f"{event.report.customer} {event.report.event_id}")),
        "lago_customer_id": None,
        "lago_subscription_id": None,
        **{name: event.sent.get(name) for name in _ECHOED},
        "timestamp": utc_text(event.report.occurred_at, timespec="milliseconds"),
        "properties": {name: value for name, value in properties.items() if _is_plain(value)},
        "created_at": utc_text(now, timespec="milliseconds"),
    }


def _wrapped(body: bytes, name: str) -> Any:
    payload = read_client_json(body)
    if not isinstance(payload, dict) or name not in payload:
        raise Unreadable("malformed_event", f"The body must be an object with `{name}`. Nothing was stored.")
    return payload[name]


def _decode(items: list[Any], now: dt.datetime) -> list[LagoEvent]:
    reports = each_item(
        items,
        lambda item: _report(item, now),
        customer_of=lambda item: item.get("external_subscription_id"),
    )
    return [LagoEvent(sent=item, report=report) for item, report in zip(items, reports, strict=True)]


def _report(item: Any, now: dt.datetime) -> UsageReport:
    event = require_object("", item)
    properties = require_object("properties", event.get("properties"))
    _require_answerable(event, properties)
    timestamp = event.get("timestamp")
    fields = {
        "event_id": event.get("transaction_id"),
        "customer": event.get("external_subscription_id"),
        "service": properties.get("model"),
        "occurred_at": None if timestamp is None else unix_time("timestamp", timestamp),
        **_quantities(event["code"], properties),
    }
    return timed_report(fields, now=now)


def _require_answerable(event: dict[str, Any], properties: dict[str, Any]) -> None:
    """Raise BadItem for values that the answer could not repeat."""
    if not isinstance(event.get("code"), str) or not event["code"]:
        raise BadItem("code", "must be a string that is not empty")
    require_text("code", event["code"])
    amount = event.get("precise_total_amount_cents")
    if not _is_plain(amount):
        raise BadItem("precise_total_amount_cents", "must be a plain value")
    require_text("precise_total_amount_cents", str(amount))
    for name, value in properties.items():
        require_text("properties", name)
        if isinstance(value, str):
            require_text("properties", value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | WrittenFloat)


def _quantities(code: str, properties: dict[str, Any]) -> dict[str, Any]:
    if has_counts(properties):
        return dict(quantities_of(properties, path="properties."))
    if code not in LAGO_CODES and code not in LAGO_PARTS:
        raise BadItem("code", "is not a billable code, and properties have no token counts")
    value = whole_number("properties.value", properties.get("value"))
    if code in LAGO_CODES:
        return {LAGO_CODES[code]: value}
    if not _is_beside(code, properties):
        # In the count of the whole already: kept with the record, and charged as the whole.
        return {"metadata": {"code": code, "value": str(value)}}
    return {measure.value: value for measure in LAGO_PARTS[code]}


def _is_beside(code: str, properties: dict[str, Any]) -> bool:
    """Whether the count is none of its whole's, which its provider decides, or its gateway."""
    if code in _WITHIN_ANOTHER or properties.get("api") in _OPENAI_SHAPED:
        return False
    within = _OUTPUT_HAS_REASONING if code == "llm_reasoning_tokens" else _INPUT_HAS_CACHE
    provider = properties.get("provider")
    if provider in within:
        return False
    if provider in _PROVIDERS:
        return True
    raise BadItem("properties.provider", f"is not known, so that {code} may be counted already")
