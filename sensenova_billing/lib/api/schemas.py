"""The words in which every app's `shapes` says, for the OpenAPI document, what the doors take and answer."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

Schema = dict[str, Any]

CUSTOMER = OpenApiParameter(
    "customer",
    {"type": "string", "minLength": 1, "maxLength": 64},
    required=True,
    description="The customer's code.",
)


def schema_ref(name: str) -> Schema:
    """Return a reference to the component of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, answered: Schema) -> OpenApiResponse:
    """Return what the document says of one status."""
    return OpenApiResponse(cast(Any, answered), description)
