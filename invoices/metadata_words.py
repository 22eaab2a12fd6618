"""The names in the metadata of calls, in words."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

_WORDS = {"project": _("Project"), "end_user": _("End user"), "api_key": _("API key")}


def metadata_names() -> list[tuple[str, Any]]:
    """Return the names by whose values usage is summed up, with the words for each."""
    return [(name, metadata_word(name)) for name in settings.USAGE_METADATA_KEYS]


def metadata_word(name: str) -> Any:
    """Return the words for a name; the name itself where there are none."""
    return _WORDS.get(name, name)
