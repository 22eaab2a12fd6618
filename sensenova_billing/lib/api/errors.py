"""Why a request is refused; the API gives each kind its status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DETAILS_SHOWN = 100


@dataclass(frozen=True)
class ItemProblem:
    """What is wrong with one item of a batch, by its index; a single item has index 0."""

    index: int
    field: str
    reason: str


class ApiError(Exception):
    """Nothing was stored; `code` is for programs, `message` for people."""

    def __init__(self, code: str, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = list(details)


class Unreadable(ApiError):
    """The body is not what the door can read."""


class InvalidQuery(ApiError):
    """What was asked for cannot be read; each parameter that is wrong is named with its reason."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(
            "invalid_query",
            "The address asks for what cannot be read. Nothing was done.",
            [{"field": field, "reason": reason} for field, reason in problems.items()][:DETAILS_SHOWN],
        )
