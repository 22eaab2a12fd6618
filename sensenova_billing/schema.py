"""What the OpenAPI document says besides the views: the shapes that they refer to."""

import inspect
from typing import Any

import msgspec

from usage.reports import UsageReport

ERROR = {
    "type": "object",
    "description": "Every failure has this one shape; after any of them nothing was stored.",
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
            },
            "required": ["code", "message", "details"],
        }
    },
    "required": ["error"],
}


def add_shapes(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the shapes to the document; the usage report's comes from the very type that decodes it."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Error"] = ERROR
    _, reports = msgspec.json.schema_components([UsageReport], ref_template="#/components/schemas/{name}")
    for name, schema in reports.items():
        schemas[name] = schema | {"description": inspect.cleandoc(schema["description"])}
    return result
