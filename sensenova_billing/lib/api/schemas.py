"""Building blocks of the OpenAPI document, for the `schemas` module of every app."""

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


def answer(description: str, schema: Schema) -> OpenApiResponse:
    """Return the entry of the document for one status."""
    return OpenApiResponse(cast(Any, schema), description)
