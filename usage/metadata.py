"""Metadata of a call: names with values, such as a project, an end user or an API key."""

from collections.abc import Mapping
from typing import Annotated, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
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


def metadata_names() -> list[tuple[str, Any]]:
    """Return the names of metadata by which usage is summed up, with the words for each."""
    return [(name, metadata_word(name)) for name in settings.USAGE_METADATA_KEYS]


def metadata_word(name: str) -> Any:
    """Return the words for a name; the name itself where there are none."""
    return _WORDS.get(name, name)


def calls_in_words(name: str, value: str) -> str:
    """Return which calls have this value in their metadata, e.g. `Project search`; empty for all calls."""
    return f"{metadata_word(name)} {value}" if name else ""


_WORDS = {"project": _("Project"), "end_user": _("End user"), "api_key": _("API key")}
