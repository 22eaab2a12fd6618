"""Responses of the endpoints that take usage, and the OpenAPI schemas that they share."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiResponse
from msgspec import Meta

from pricing.rules.measured_structs import with_measures
from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant, Name
from usage.ingest.payload import MAX_BATCH
from usage.ingest.reversals import reason_of
from usage.models import UsageRecord

_REASONS = {
    400: "The body is not JSON, or is a batch with no or too many records.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope usage:write.",
    413: "The body is larger than 16 MiB, or has more than 1,000,000 values.",
    415: "The content type is not one of those named, or the content encoding is not gzip.",
    422: "Some records are not valid; each is named with its reason.",
    503: "The database is unavailable, or too many large bodies are being read; retry after Retry-After.",
}
_NO_REVERSAL = {
    400: "The body is not JSON.",
    413: "The body is larger than 64 KiB.",
    409: "The record is already reversed, for another reason.",
    422: "The record is unknown or cannot be reversed; the field and the reason are named.",
}
# Lago has one status for both.
_CONFLICTS = {
    409: "An event id is already stored with other content.",
    422: "Some records are not valid, or stored with other content; each is named with its reason.",
}


def one_or_batch(name: str) -> Schema:
    """Return the schema of an item or a batch of items."""
    return {"oneOf": [schema_ref(name), batch(name)]}


def batch(name: str) -> Schema:
    """Return the schema of a batch of items."""
    return {"type": "array", "items": schema_ref(name), "minItems": 1, "maxItems": MAX_BATCH}


def wrapped(name: str, inner: Schema) -> Schema:
    """Return the schema of an object that contains another under a name."""
    return {"type": "object", "properties": {name: inner}, "required": [name]}


def refusals(
    name: str, *, conflict: int = 409, media_type: str = "application/json"
) -> dict[Any, OpenApiResponse]:
    """Return the error responses, with this schema as body; `conflict` is the status of a conflict."""
    reasons = _REASONS | {conflict: _CONFLICTS[conflict]}
    return {
        (status, media_type): answer(reason, schema_ref(name)) for status, reason in sorted(reasons.items())
    }


def reversal_refusals(name: str) -> dict[Any, OpenApiResponse]:
    """Return the error responses of a reversal."""
    reasons = _REASONS | _NO_REVERSAL
    return {status: answer(reason, schema_ref(name)) for status, reason in sorted(reasons.items())}


@with_measures(Annotated[int, Meta(ge=-MAX_QUANTITY, le=0)])
class ReversalPayload(msgspec.Struct, frozen=True):
    """A reversal, with its quantities."""

    event_id: Annotated[Name, Meta(description="The event id of the reversal.")]
    customer: Annotated[Name, Meta(description="The customer's code.")]
    reverses: Annotated[Name, Meta(description="The event id of the reversed record.")]
    reason: Annotated[str, Meta(min_length=1)]
    occurred_at: Annotated[Instant, Meta(description="The reversed record's, which determines the price.")]
    billing_hour: Annotated[Instant, Meta(description="The billing hour of the reversal.")]


def reversal_payload(*, customer: str, reversal: UsageRecord) -> ReversalPayload:
    """Return the response body for a reversal."""
    return ReversalPayload(
        event_id=reversal.event_id,
        customer=customer,
        reverses=str(reversal.reverses),
        reason=reason_of(reversal),
        occurred_at=reversal.occurred_at,
        billing_hour=reversal.billing_hour,
        **{str(measure): reversal.quantity_of(measure) for measure in Measure},
    )
