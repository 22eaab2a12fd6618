"""The messages of OTLP/HTTP: reads spans from protobuf and from JSON, and writes answers in either.

Of a span only what is mapped onto a report is kept: prompts and answers in its attributes and events are
passed over unread. In JSON each span is read by itself, so that one which is malformed costs no other.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from sensenova_billing.lib.api.errors import Unreadable
from usage.clients.parsing import read_client_json

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_SPANS = 100_000

Attributes = dict[str, Any]
Parsed = TypeVar("Parsed", bound=Message)

_HEX = re.compile(r"[0-9a-fA-F]*")
_SCALARS = {"string_value", "bool_value", "int_value", "double_value"}
_NOT_A_SCALAR = ()


@dataclass(frozen=True, slots=True)
class SentSpan:
    """What a span says of a call; its ids are in hexadecimal, and `ended_at` is in nanoseconds."""

    trace_id: str
    span_id: str
    ended_at: int
    is_error: bool
    attributes: Attributes
    resource: Attributes


def read_spans(body: bytes, *, media_type: str, names: Collection[str]) -> Iterator[SentSpan | None]:
    """Yield each span with its attributes of these names, None if it is malformed; raise Unreadable."""
    return (_read_protobuf if media_type == PROTOBUF else _read_json)(body, names)


def _read_protobuf(body: bytes, names: Collection[str]) -> Iterator[SentSpan]:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise _not_a_request("protobuf") from error
    if body and not request.resource_spans:
        raise _not_a_request("protobuf")  # much that is something else consists of unknown fields
    scopes = (scope for sent in request.resource_spans for scope in sent.scope_spans)
    _require_bounded(sum(len(scope.spans) for scope in scopes))
    for sent in request.resource_spans:
        resource = _attributes(sent.resource.attributes, names)
        for scope in sent.scope_spans:
            for span in scope.spans:
                yield _sent_span(span, resource, names)


def _read_json(body: bytes, names: Collection[str]) -> Iterator[SentSpan | None]:
    payload = read_client_json(body)
    # In an object of anything else usage would be passed over unseen.
    if not isinstance(payload, dict) or (payload and "resourceSpans" not in payload):
        raise _not_a_request("JSON")
    for sent in _items(payload, "resourceSpans"):
        resource = _json_resource(_object(sent, "resource"), names)
        for scope in _items(sent, "scopeSpans"):
            for item in _items(scope, "spans"):
                span = _json_span(item, names)
                yield None if span is None or resource is None else _sent_span(span, resource, names)


def _items(fields: Any, name: str) -> list[Any]:
    """Return the list of this name, empty if there is none; raise Unreadable if it is something else."""
    items = fields.get(name) if isinstance(fields, dict) else 0
    if items is not None and not isinstance(items, list):
        raise _not_a_request("JSON")
    return items or []


def _object(fields: Any, name: str) -> Any:
    value = fields.get(name) if isinstance(fields, dict) else None
    return {} if value is None else value


def _json_resource(fields: Any, names: Collection[str]) -> Attributes | None:
    resource = _parsed(_with_attributes(fields, names), Resource())
    return None if resource is None else _attributes(resource.attributes, names)


def _json_span(item: Any, names: Collection[str]) -> Span | None:
    if not isinstance(item, dict):
        return None
    kept = _with_attributes(item, names) | {
        name: item[name] for name in ("endTimeUnixNano", "status") if name in item
    }
    span = _parsed(kept, Span())
    if span is not None:
        # Not by protobuf's parser, which reads ids as base64 where OTLP writes them in hexadecimal.
        span.trace_id, span.span_id = _bytes_of_hex(item.get("traceId")), _bytes_of_hex(item.get("spanId"))
    return span


def _with_attributes(fields: Any, names: Collection[str]) -> Any:
    """Return only the attributes of these names; what is no list of objects is left to the parser."""
    if not isinstance(fields, dict):
        return fields
    attributes = fields.get("attributes")
    if isinstance(attributes, list):
        attributes = [one for one in attributes if not isinstance(one, dict) or _is_named(one, names)]
    return {"attributes": attributes}


def _is_named(attribute: Mapping[str, Any], names: Collection[str]) -> bool:
    key = attribute.get("key")
    return isinstance(key, str) and key in names


def _parsed(fields: Any, message: Parsed) -> Parsed | None:
    try:
        # First, because half of a surrogate pair in a name is a SystemError to the parser.
        json.dumps(fields, ensure_ascii=False).encode()
        return json_format.ParseDict(fields, message, ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError, OverflowError, UnicodeError, RecursionError):
        return None


def _bytes_of_hex(text: Any) -> bytes:
    is_hex = isinstance(text, str) and len(text) % 2 == 0 and _HEX.fullmatch(text)
    return bytes.fromhex(text) if is_hex else b""


def _sent_span(span: Span, resource: Attributes, names: Collection[str]) -> SentSpan:
    return SentSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        ended_at=span.end_time_unix_nano,
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes, names),
        resource=resource,
    )


def _attributes(sent: Iterable[KeyValue], names: Collection[str]) -> Attributes:
    return {attribute.key: _value(attribute.value) for attribute in sent if attribute.key in names}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    return getattr(value, kind) if kind in _SCALARS else _NOT_A_SCALAR


def _require_bounded(spans: int) -> None:
    if spans > MAX_SPANS:
        text = f"A request holds up to {MAX_SPANS:,} spans, not {spans:,}. Nothing was stored."
        raise Unreadable("batch_too_large", text)


def _not_a_request(encoding: str) -> Unreadable:
    text = f"The body is not an ExportTraceServiceRequest in {encoding}. Nothing was stored."
    return Unreadable("malformed_request", text)


class ProtobufRenderer(BaseRenderer):
    """Writes a message as protobuf."""

    media_type = PROTOBUF
    format = "protobuf"
    charset = None

    def render(
        self,
        data: Message | None,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Encode the message."""
        return b"" if data is None else data.SerializeToString()


class ProtobufJsonRenderer(ProtobufRenderer):
    """Writes a message as protobuf's JSON."""

    media_type = JSON
    format = "json"

    def render(
        self,
        data: Message | None,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Encode the message."""
        return b"" if data is None else json_format.MessageToJson(data, indent=None).encode()


class MessageResponse(Response):
    """Answers a message, which as protobuf may be of no bytes and has its content type all the same."""

    @property
    def rendered_content(self) -> Any:
        """Encode the message."""
        content = super().rendered_content
        self.headers["Content-Type"] = self.accepted_renderer.media_type
        return content
