"""OpenAPI schemas of requests and responses of usage; SHAPES are the components."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref
from usage.ingest.payload import MAX_BATCH

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
    return _object({name: inner}, required=[name])


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


def _object(properties: dict[str, Schema], *, required: list[str], **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": required, **more}


def _some_of(*names: str) -> Schema:
    return {
        "type": "object",
        "properties": {name: schema_ref("Count") for name in names},
        "anyOf": [{"required": [name]} for name in names],
    }


def _counts(*names: str) -> dict[str, Schema]:
    return {name: {"type": "integer", "minimum": 0} for name in names}


_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_CUSTOMER = _NAME | {"description": "The customer's code."}
_MODEL = _NAME | {"description": "A service, by its name or an alias."}
_NON_EMPTY = {"type": "string", "minLength": 1}
_QUANTITY = {"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY}
_REVERSED_QUANTITY = {"type": "integer", "minimum": -MAX_QUANTITY, "maximum": 0}
_INSTANT = {"type": "string", "format": "date-time"}

SHAPES: dict[str, Schema] = {
    "Receipt": _object(_counts("accepted", "duplicates"), required=["accepted", "duplicates"]),
    "Reversal": _object(
        {
            "event_id": _NAME | {"description": "The event id of the reversal."},
            "customer": _CUSTOMER,
            "reverses": _NAME | {"description": "The event id of the reversed record."},
            "reason": _NON_EMPTY,
            "occurred_at": _INSTANT | {"description": "The reversed record's, which determines the price."},
            "billing_hour": _INSTANT | {"description": "The billing hour of the reversal."},
            **{str(measure): _REVERSED_QUANTITY for measure in Measure},
        },
        required=[
            "event_id",
            "customer",
            "reverses",
            "reason",
            "occurred_at",
            "billing_hour",
            *map(str, Measure),
        ],
    ),
    "Count": {
        "description": "A quantity; null is the same as missing.",
        "oneOf": [_QUANTITY, {"type": "string", "pattern": "^(0|[1-9][0-9]{0,15})$"}, {"type": "null"}],
    },
    "UnixTime": {
        "description": "Unix seconds, without an exponent; null or missing: the arrival.",
        "oneOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]{1,11}([.][0-9]{1,18})?$"},
            {"type": "null"},
        ],
    },
    "LiteLLMCounts": _some_of("prompt_tokens", "completion_tokens"),
    "OpenMeterCount": _object(
        {"tokens": schema_ref("Count"), "type": {"type": "string", "enum": ["input", "output", "system"]}},
        required=["tokens", "type"],
    ),
    "OurCounts": _some_of(*map(str, Measure)),
    "LagoValue": _object(
        {
            "code": {"type": "string", "enum": ["llm_input_tokens", "llm_output_tokens"]},
            "properties": _object({"value": schema_ref("Count")}, required=["value"]),
        },
        required=["code", "properties"],
    ),
    "CloudEvent": _object(
        {
            "specversion": {"type": "string", "enum": ["1.0"]},
            "id": _NON_EMPTY,
            "source": _NON_EMPTY,
            "type": _NON_EMPTY,
            "subject": _CUSTOMER,
            "time": {
                "type": ["string", "null"],
                "description": "RFC 3339, in UTC where it has no offset; null or missing: the arrival.",
            },
            "data": {
                "type": "object",
                "properties": {"model": _MODEL},
                "required": ["model"],
                "oneOf": [schema_ref("LiteLLMCounts"), schema_ref("OpenMeterCount"), schema_ref("OurCounts")],
            },
        },
        required=["specversion", "id", "source", "type", "subject", "data"],
    ),
    "Problem": _object(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
        required=["type", "title", "status", "detail", "code", "errors"],
    ),
    "LagoEvent": _object(
        {
            "transaction_id": _NAME,
            "external_subscription_id": _CUSTOMER,
            "code": _NON_EMPTY,
            "timestamp": schema_ref("UnixTime"),
            "precise_total_amount_cents": {
                "type": ["string", "number", "boolean", "null"],
                "description": "Returned as sent, and otherwise ignored.",
            },
            "properties": _object({"model": _MODEL}, required=["model"]),
        },
        required=["transaction_id", "external_subscription_id", "code", "properties"],
        anyOf=[
            _object({"properties": schema_ref("LiteLLMCounts")}, required=["properties"]),
            schema_ref("LagoValue"),
        ],
    ),
    "LagoStoredEvent": _object(
        {
            "lago_id": {"type": "string", "format": "uuid"},
            "lago_customer_id": {"type": "null"},
            "lago_subscription_id": {"type": "null"},
            "transaction_id": {"type": "string"},
            "external_subscription_id": {"type": "string"},
            "code": {"type": "string"},
            "precise_total_amount_cents": {"type": ["string", "number", "boolean", "null"]},
            "timestamp": {"type": "string", "format": "date-time"},
            "properties": {"type": "object", "description": "The plain values of the request."},
            "created_at": {"type": "string", "format": "date-time"},
        },
        required=["lago_id", "transaction_id", "code", "timestamp", "properties", "created_at"],
    ),
    "LagoRefusal": _object(
        {
            "status": {"type": "integer"},
            "error": {"type": "string"},
            "code": {"type": "string"},
            "error_details": {"type": "object"},
        },
        required=["status", "error"],
    ),
    "LiteLLMCall": _object(
        {
            "id": _NAME,
            "status": {"type": "string", "enum": ["success", "failure"]},
            "model": _MODEL
            | {"description": "A service, by its name or an alias; `model_group` takes precedence."},
            "end_user": {
                "type": ["string", "null"],
                "description": "The customer's code; if missing, it is taken from `metadata`.",
            },
            "metadata": {"description": "An object that may name the customer; anything else names none."},
            "endTime": schema_ref("UnixTime"),
            "prompt_tokens": _QUANTITY | {"type": ["integer", "null"]},
            "completion_tokens": _QUANTITY | {"type": ["integer", "null"]},
        },
        required=["id", "model"],
        anyOf=[{"required": ["prompt_tokens"]}, {"required": ["completion_tokens"]}],
    ),
    "LiteLLMFailure": _object(
        {"status": {"const": "failure"}}, required=["status"], description="Used no model; skipped."
    ),
    "LiteLLMCacheHit": _object(
        {"status": {"type": "string", "enum": ["success", "failure"]}, "cache_hit": {"const": True}},
        required=["cache_hit"],
        description="Used no model; skipped.",
    ),
    "LiteLLMPayload": {
        "anyOf": [schema_ref("LiteLLMCall"), schema_ref("LiteLLMFailure"), schema_ref("LiteLLMCacheHit")]
    },
    "LiteLLMReceipt": _object(
        _counts("accepted", "duplicates", "skipped"), required=["accepted", "duplicates", "skipped"]
    ),
}
