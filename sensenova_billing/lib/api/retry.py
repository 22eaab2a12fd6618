"""When to retry a refused request: a header that clients heed, and the exact moment for the body."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sensenova_billing.lib.api.strict_json import Instant

# Many clients do not heed a longer wait: openai-python before 2.52 and LiteLLM's router honour at most 60
# seconds, Vercel's `ai` less than 60; beyond, they retry at once (docs/clients.md).
LONGEST_RETRY_AFTER = 59


class RetryMomentPayload(msgspec.Struct, frozen=True):
    """The moment from which on the same request is accepted, if nothing else happens."""

    retry_at: Instant
    retry_after_seconds: Annotated[
        int, Meta(ge=1, description=f"Until then; Retry-After is at most {LONGEST_RETRY_AFTER}.")
    ]


def retry_after(seconds: int) -> str:
    """Return the value of the header Retry-After: not longer than clients heed."""
    return str(min(seconds, LONGEST_RETRY_AFTER))


def retry_moment(*, at: dt.datetime, seconds: int) -> dict[str, Any]:
    """Return the exact moment, as an entry of the details of an error."""
    moment: dict[str, Any] = msgspec.to_builtins(RetryMomentPayload(at, seconds))
    return moment
