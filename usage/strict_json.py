"""JSON as strictly as money needs it: UTF-8, no key twice in an object, no NaN, no infinity."""

import json
from collections.abc import Callable
from typing import Any

from usage.refusals import Unreadable


def read_json(body: bytes, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Return what the body says, with its fractions read by `parse_float` if given; raise Unreadable."""
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=parse_float,
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed_json", "The body is not JSON in UTF-8. Nothing was stored.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreadable("malformed_json", "A key stands twice in one object. Nothing was stored.")
    return fields


def _no_constant(name: str) -> None:
    raise Unreadable("malformed_json", f"{name} is not a JSON value. Nothing was stored.")
