"""Metadata of a call: names with values, such as a project, an end user or an API key."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from sensenova_billing.lib.api.strict_json import require_name, require_text

LONGEST_NAME, LONGEST_VALUE, MOST_NAMES = 64, 255, 16

Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)],
        Annotated[str, Meta(max_length=LONGEST_VALUE)],
    ],
    Meta(max_length=MOST_NAMES),
]


def require_metadata(metadata: Mapping[str, str]) -> None:
    """Raise BadItem for a character that a name or a value may not hold."""
    for name, value in metadata.items():
        require_name("metadata", name)
        require_text("metadata", value)
