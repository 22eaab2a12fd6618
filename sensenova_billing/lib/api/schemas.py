"""Building blocks of the OpenAPI document, for the `schemas` module of every app."""

import inspect
import json
from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta

Schema = dict[str, Any]
NonNegative = Annotated[int, Meta(ge=0)]

CUSTOMER = OpenApiParameter(
    "customer",
    {"type": "string", "minLength": 1, "maxLength": 64},
    required=True,
    description="The customer's code.",
)


def schema_ref(name: str) -> Schema:
    """Return a reference to the component of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def components_of(types: Iterable[type]) -> dict[str, Schema]:
    """Return the components of these types and of those in their fields; that of `LinePayload` is `Line`."""
    _, found = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    # In code the suffix tells a response from the model or dataclass that it shows.
    components: dict[str, Schema] = json.loads(json.dumps(found).replace('Payload"', '"'))
    return {
        name: schema | {"description": inspect.cleandoc(schema["description"])}
        for name, schema in components.items()
    }


def answer(description: str, schema: Schema) -> OpenApiResponse:
    """Return the entry of the document for one status."""
    return OpenApiResponse(cast(Any, schema), description)
