"""A valid body of every endpoint that takes one, to be damaged by tests."""

import datetime as dt
from typing import Any
from uuid import NAMESPACE_URL, uuid5


def valid_bodies(*, moment: str, event_id: str = "a") -> dict[str, Any]:
    """Return a body by path; records are of this moment and id, for acme."""
    model = {"model": "SenseChat-5"}
    report = {
        "event_id": event_id, "customer": "acme", "service": "SenseChat-5", "occurred_at": moment,
        "input_tokens": 1, "output_tokens": 2, "metadata": {"user": "u"}, "call_id": "c", "input_text": "",
    }  # fmt: skip
    cloud_event = {
        "specversion": "1.0", "type": "t", "source": "s", "id": event_id, "subject": "acme", "time": moment,
        "data": model | {"tokens": 1, "type": "input"},
    }  # fmt: skip
    lago_event = {
        "transaction_id": event_id, "external_subscription_id": "acme", "code": "llm_input_tokens",
        "precise_total_amount_cents": "1", "properties": model | {"value": 1, "note": "n"},
    }  # fmt: skip
    payload = {
        "id": event_id, "status": "success", "end_user": "acme", "model_group": "SenseChat-5",
        "prompt_tokens": 1, "completion_tokens": 2, "metadata": {"user_api_key_end_user_id": "acme"},
        "response_cost": 0.25, "messages": [{"role": "user", "content": "hello"}],
    }  # fmt: skip
    span = {
        "traceId": uuid5(NAMESPACE_URL, event_id).hex, "spanId": "00000000000000aa", "name": "chat",
        "endTimeUnixNano": f"{int(dt.datetime.fromisoformat(moment).timestamp())}000000000",
        "status": {"code": 2},
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "SenseChat-5"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1"}},
            {"key": "gen_ai.output.messages", "value": {"stringValue": "hello"}},
        ],
    }  # fmt: skip
    resource = {"attributes": [{"key": "sensenova.customer", "value": {"stringValue": "acme"}}]}
    call = {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 1, "call_id": "c"}
    return {
        "/api/v1/usage": report,
        "/api/v1/calls": call,
        "/api/v1/reversals": {"customer": "acme", "event_id": event_id, "reason": "wrong"},
        "/api/v1/estimates": {"usage": [{"service": "SenseChat-5", "input_tokens": 1}], "at": moment},
        "/api/v1/events": cloud_event,
        "/lago/api/v1/events": {"event": lago_event},
        "/lago/api/v1/events/batch": {"events": [lago_event]},
        "/api/v1/litellm": payload,
        "/v1/traces": {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]},
    }
