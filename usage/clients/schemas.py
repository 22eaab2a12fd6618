"""What clients of other systems send and read; those formats use what the types of msgspec cannot state."""

from typing import Any

from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib.api.schemas import NonNegative, Schema, schema_ref
from usage.clients.lago import LAGO_CODES, LAGO_PARTS
from usage.clients.usage_objects import USAGE_OBJECTS
from usage.ingest.record import Receipt


class LiteLLMReceipt(Receipt, frozen=True):
    """How many payloads of a delivery are new, were already stored, used no model, or are in quarantine."""

    skipped: NonNegative
    quarantined: NonNegative


def _object(properties: dict[str, Schema], *, required: list[str] | None = None, **more: Any) -> Schema:
    """Return the schema of an object; without `required` it has all of these properties."""
    return {"type": "object", "properties": properties, "required": required or [*properties], **more}


_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_CUSTOMER = _NAME | {"description": "The customer's code."}
_MODEL = _NAME | {"description": "A service, by its name or an alias."}
_NON_EMPTY = {"type": "string", "minLength": 1}
_QUANTITY = {"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY}

# What a usage object may have of counts by itself; objects inside it have more.
_COUNTS = sorted(
    name for name in {*map(str, Measure)}.union(*(kind.known for kind in USAGE_OBJECTS)) if "." not in name
)

CLIENT_SCHEMAS: dict[str, Schema] = {
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
    "UsageObject": {
        "type": "object",
        "description": (
            "A usage object of OpenAI, Anthropic, Gemini, SenseNova or LiteLLM, or our own quantities; a "
            "count of tokens that is not known is refused. docs/clients.md has the rules."
        ),
        "properties": {name: schema_ref("Count") for name in _COUNTS},
        "anyOf": [{"required": [name]} for name in _COUNTS],
    },
    "OpenMeterCount": _object(
        {"tokens": schema_ref("Count"), "type": {"type": "string", "enum": ["input", "output", "system"]}}
    ),
    "LagoValue": _object(
        {
            "code": {"type": "string", "enum": [*LAGO_CODES, *LAGO_PARTS]},
            "properties": _object({"value": schema_ref("Count")}),
        }
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
                "anyOf": [schema_ref("UsageObject"), schema_ref("OpenMeterCount")],
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
        }
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
            "properties": _object({"model": _MODEL}),
        },
        required=["transaction_id", "external_subscription_id", "code", "properties"],
        anyOf=[_object({"properties": schema_ref("UsageObject")}), schema_ref("LagoValue")],
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
    "LiteLLMFailure": _object({"status": {"const": "failure"}}, description="Used no model; skipped."),
    "LiteLLMCacheHit": _object(
        {"status": {"type": "string", "enum": ["success", "failure"]}, "cache_hit": {"const": True}},
        required=["cache_hit"],
        description="Used no model; skipped.",
    ),
    "LiteLLMPayload": {
        "anyOf": [schema_ref("LiteLLMCall"), schema_ref("LiteLLMFailure"), schema_ref("LiteLLMCacheHit")]
    },
}
