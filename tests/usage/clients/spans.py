"""Spans of model calls, as OpenTelemetry's exporters send them in either encoding, and what is answered."""

import json
from typing import Any

from django.test import Client
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.usage.clients.deliveries import HALF_PAST

PATH = "/v1/traces"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE_ID, SPAN_ID = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
EVENT_ID = f"{TRACE_ID}-{SPAN_ID}"
END = int(HALF_PAST.timestamp()) * 10**9
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "SenseChat-5",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 34,
    "sensenova.customer": "acme",
    "gen_ai.input.messages": "a secret",
}


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    """Return these values as attributes, without those that are None."""
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    return [
        KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))
        for key, value in values.items()
        if value is not None
    ]


def chat(span_id: Any = SPAN_ID, *, end: Any = END, status: Any = 0, **changed: Any) -> Span:
    """Return the span of a call of SenseChat-5 by Acme; `changed` are attributes, `_` for each dot."""
    known = {name.replace(".", "_"): name for name in CHAT}
    given = CHAT | {known.get(name, name): value for name, value in changed.items()}
    span = Span(
        trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(span_id), end_time_unix_nano=end, name="chat"
    )
    span.attributes.extend(attributes(given))
    span.status.code = status
    return span


def request_of(*spans: Span, resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """Return the request with which an exporter sends these."""
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    sent.resource.attributes.extend(attributes({"service.name": "my-app"} | (resource or {})))
    sent.scope_spans.add().spans.extend(spans)
    return request


def json_of(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return the request in OTLP's JSON: ids in hexadecimal, which protobuf's own writes in base64."""
    written: dict[str, Any] = json_format.MessageToDict(request, use_integers_for_enums=True)
    for sent, resource in zip(written.get("resourceSpans", []), request.resource_spans, strict=True):
        spans = zip(sent["scopeSpans"][0].get("spans", []), resource.scope_spans[0].spans, strict=True)
        for fields, span in spans:
            fields |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
    return written


def encoded(request: ExportTraceServiceRequest, content_type: str) -> bytes:
    """Return the body of a request in this encoding."""
    return request.SerializeToString() if content_type == PROTOBUF else json.dumps(json_of(request)).encode()


def send(body: bytes | str, key: str, content_type: str = PROTOBUF, **headers: str) -> Any:
    """Post a body with this key."""
    headers |= {"Authorization": f"Bearer {key}"}
    # The test client itself sends no content type with an empty body.
    return Client().post(PATH, body, content_type=content_type, headers=headers, CONTENT_TYPE=content_type)


def parsed(answer: Any) -> ExportTraceServiceResponse:
    """Return what was answered to spans that were taken, in whichever encoding."""
    assert answer.status_code == 200, answer.content
    response = ExportTraceServiceResponse()
    if answer.headers["Content-Type"] == PROTOBUF:
        response.ParseFromString(answer.content)
        return response
    assert answer.headers["Content-Type"] == JSON
    return json_format.Parse(answer.content, response)


def refusal_of(answer: Any) -> str:
    """Return the message of a request that was refused as a whole."""
    assert answer.status_code >= 400, answer.content
    if answer.headers["Content-Type"] == PROTOBUF:
        return str(Status.FromString(answer.content).message)
    assert answer.headers["Content-Type"] == JSON
    return str(json_format.Parse(answer.content, Status()).message)
