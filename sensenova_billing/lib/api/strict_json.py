"""JSON as strictly as money needs it: UTF-8, no key twice in an object, no NaN, no infinity."""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from sensenova_billing.lib.api.errors import Unreadable
from sensenova_billing.lib.names import UNFIT, is_fit_for_a_name

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Instant = Annotated[dt.datetime, Meta(tz=True)]
# Decimals of a second beyond the sixth are cut off: rounding could move an instant into the next hour.
TOO_FINE = re.compile(r"(\.\d{6})\d+")
Made = TypeVar("Made")

_FIELD = re.compile(r" - at (?:`key` in )?`\$\.(\w+)[^`]*`$")


class BadItem(Exception):
    """One item of a batch is invalid, for this field and reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def read_json(body: bytes, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Return the parsed body, fractions read by `parse_float` if given; raise Unreadable."""
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=parse_float,
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed_json", "The body is not JSON in UTF-8. Nothing was stored.") from error


def read_at_once(decoder: msgspec.json.Decoder[Made], body: bytes) -> Made | None:
    """Return the decoded body, fast; None where the strict parser has to decide."""
    if b"\\" in body:
        return None
    try:
        decoded = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    # The decoder silently keeps the last of duplicate keys. Defaults are not encoded again, and without
    # escapes no string holds a quotation mark: nothing was dropped if both have the same number of them.
    return decoded if msgspec.json.encode(decoded).count(b'"') == body.count(b'"') else None


def read_as(schema: type[Made], fields: Any) -> Made:
    """Return these JSON values as exactly this type; raise BadItem naming the field."""
    try:
        return msgspec.convert(fields, schema)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        raise BadItem(found.group(1) if found else "", _FIELD.sub("", str(error))) from error
    except UnicodeEncodeError as error:
        # An unknown name, a number, an instant or the value itself holds half of a surrogate pair.
        if isinstance(fields, dict):
            _require_texts(fields)
        raise BadItem("", "is not valid Unicode") from error


def require_text(field: str, text: str) -> None:
    """Raise BadItem for a character that cannot be stored: NUL, or half of a surrogate pair."""
    if "\0" in text:
        raise BadItem(field, "must not hold a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise BadItem(field, "is not valid Unicode")


def require_name(field: str, text: str) -> None:
    """Raise BadItem for a character that no name or id may hold."""
    require_text(field, text)
    if not is_fit_for_a_name(text):
        raise BadItem(field, UNFIT)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreadable("malformed_json", "Duplicate key in an object. Nothing was stored.")
    return fields


def _no_constant(name: str) -> None:
    raise Unreadable("malformed_json", f"{name} is not a JSON value. Nothing was stored.")


def _require_texts(fields: dict[str, Any]) -> None:
    for field, value in fields.items():
        require_text("", field)
        if isinstance(value, str):
            require_text(field, value)
