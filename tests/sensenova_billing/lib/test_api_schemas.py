"""The schemas of the OpenAPI document that come from types."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sensenova_billing.lib.api.schemas import components_of


class PartPayload(msgspec.Struct):
    """A part.

    Of a whole.
    """

    size: Annotated[int, Meta(ge=0, description="In bytes.")]


class WholePayload(msgspec.Struct):
    """A whole."""

    part: PartPayload | None


def test_a_component_has_the_name_of_its_type_without_the_suffix_also_where_another_refers_to_it():
    components = components_of([WholePayload])

    assert components.keys() == {"Whole", "Part"}
    assert components["Whole"]["title"] == "Whole"
    assert {"$ref": "#/components/schemas/Part"} in components["Whole"]["properties"]["part"]["anyOf"]


def test_a_component_says_what_its_type_says():
    part = components_of([PartPayload])["Part"]

    assert part["description"] == "A part.\n\nOf a whole."
    assert part["properties"]["size"] == {"type": "integer", "minimum": 0, "description": "In bytes."}
    assert part["required"] == ["size"]
