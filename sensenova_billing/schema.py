"""The components of the OpenAPI document, to which the views refer."""

import inspect
from typing import Any

import msgspec

from invoices.drilldown.schemas import TRACE_SHAPES
from pricing.catalogue.estimates import EstimateRequest
from pricing.catalogue.schemas import PRICE_SHAPES
from pricing.rules.measures import Measure
from usage.ingest.payload import UsageReport
from usage.ingest.reversal_requests import ReversalRequest
from usage.ingest.schemas import SHAPES
from usage.limits.admission import CallRequest
from usage.limits.schemas import CALL_SHAPES

ERROR = {
    "type": "object",
    "description": "Every error has this schema; after any of them nothing was stored.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "For programs; does not change."},
                "message": {"type": "string", "description": "For people: what happened, and what to do."},
                "details": {
                    "type": "array",
                    "items": {},
                    "description": "E.g. every bad item of a batch, the first hundred.",
                },
                "type": {"const": "rate_limit_error", "description": "With 429: clients of OpenAI read it."},
            },
            "required": ["code", "message", "details"],
        }
    },
    "required": ["error"],
}


# What msgspec cannot say of a report and an estimate. Without a type, the pages at /api/docs show them as
# impossible.
_ONE_OR_THE_OTHER = {"not": {"type": "object", "required": ["input_characters", "input_text"]}}
_AT_LEAST_ONE = {"anyOf": [{"required": [name]} for name in (*map(str, Measure), "input_text")]}


def add_shapes(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the schemas to the document; those of requests come from the types that decode them."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    _, requests = msgspec.json.schema_components(
        [UsageReport, ReversalRequest, EstimateRequest, CallRequest],
        ref_template="#/components/schemas/{name}",
    )
    for name, schema in requests.items():
        schemas[name] = schema | {"description": inspect.cleandoc(schema["description"])}
    schemas["UsageReport"] |= _ONE_OR_THE_OTHER
    schemas["EstimatedUsage"] |= _ONE_OR_THE_OTHER | _AT_LEAST_ONE
    schemas |= SHAPES | CALL_SHAPES | TRACE_SHAPES | PRICE_SHAPES | {"Error": ERROR}
    return result


def require_bodies(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Say that no operation takes a request without a body, where it takes one at all."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return result
