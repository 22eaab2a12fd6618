"""Previews that travel in a form: signed, so that only who saw one can send it back, within a day."""

from typing import Any

from django.core import signing

A_DAY_IN_SECONDS = 24 * 3600


def sign_preview(content: dict[str, Any], *, salt: str, person: str) -> str:
    """Return the content, of what JSON has, as a text for a hidden field."""
    return signing.dumps({**content, "by": person}, salt=salt, compress=True)


def read_preview(text: str, *, salt: str, person: str) -> dict[str, Any]:
    """Return the content; raise BadSignature if it expired, was altered, or belongs to another person."""
    content: dict[str, Any] = signing.loads(text, salt=salt, max_age=A_DAY_IN_SECONDS)
    if content["by"] != person:
        raise signing.BadSignature("This preview belongs to another person.")
    return content
