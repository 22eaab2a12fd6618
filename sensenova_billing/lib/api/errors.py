"""Errors that the API answers; sensenova_billing/http/errors.py gives each class its status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DETAILS_SHOWN = 100


@dataclass(frozen=True)
class ItemProblem:
    """Why one item of a batch is invalid, by its index; a single item has index 0."""

    index: int
    field: str
    reason: str


class ApiError(Exception):
    """A refused request, of which nothing was stored; `code` is for programs, `message` for people."""

    def __init__(self, code: str, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = list(details)


class Unreadable(ApiError):
    """The endpoint cannot parse the body."""


class InvalidQuery(ApiError):
    """The query is invalid; names each invalid parameter with its reason."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(
            "invalid_query",
            "Invalid query parameters. Nothing was done.",
            [{"field": field, "reason": reason} for field, reason in problems.items()][:DETAILS_SHOWN],
        )
