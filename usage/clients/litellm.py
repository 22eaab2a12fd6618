"""LiteLLM's StandardLoggingPayload, as its `generic_api` callback sends it: an array, lines, or one.

| ours | theirs |
|---|---|
| event id | `id` |
| customer | the first present of `end_user` and, in `metadata`, the names in `_CUSTOMER` |
| service | `model_group`, else `model`, by its name or an alias |
| occurred at | `endTime`, Unix seconds; the arrival if missing |
| quantities | `prompt_tokens`, `completion_tokens` |

Failed calls and answers from LiteLLM's own cache used no model: they are counted and not stored. The payload
may contain the prompt and the answer; only the fields above are read, and nothing is logged.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.parsing import (
    LITELLM_NAMES,
    first_given,
    measure_of_each,
    read_client_json,
    require_object,
    timed_report,
    unix_time,
)
from usage.ingest.payload import UsageReport, each_item, require_batch

# The client's names of our fields, for errors in its format.
NAMES = {
    "event_id": "id",
    "customer": "end_user",
    "service": "model",
    "occurred_at": "endTime",
    **{ours: theirs for theirs, ours in measure_of_each(LITELLM_NAMES).items()},
}

_MEASURES = measure_of_each(LITELLM_NAMES)
_CUSTOMER = ("user_api_key_end_user_id", "user_api_key_user_id", "user_api_key_team_id")
_STATUSES = ("success", "failure")


@dataclass(frozen=True)
class Delivery:
    """The reports of a delivery, the index of each in it, and how many items were skipped."""

    reports: list[UsageReport]
    indexes: list[int]
    skipped: int


def decode_payloads(body: bytes, *, now: dt.datetime) -> Delivery:
    """Return the payloads of an array, of lines or of one object; raise Unreadable or InvalidUsage."""
    items = _items(body)
    require_batch(items)
    decoded = enumerate(each_item(items, lambda item: _report(item, now), customer_of=_customer))
    used = {index: report for index, report in decoded if report is not None}
    return Delivery(reports=[*used.values()], indexes=[*used], skipped=len(items) - len(used))


def _items(body: bytes) -> list[Any]:
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    # All three formats have the same content type; an object that ends where its line ends is one of many.
    if len(lines) > 1 and lines[0].startswith(b"{") and lines[0].endswith(b"}"):
        require_batch(lines)
        return [read_client_json(line) for line in lines]
    payload = read_client_json(body)
    return payload if isinstance(payload, list) else [payload]


def _report(item: Any, now: dt.datetime) -> UsageReport | None:
    payload = require_object("", item)
    status = payload.get("status", "success")
    if status not in _STATUSES:
        raise BadItem("status", "must be success or failure")
    if status == "failure" or payload.get("cache_hit") is True:
        return None
    ended = payload.get("endTime")
    customer = _customer(payload)
    if customer is None:
        raise BadItem("end_user", "no end user, user or team is given")
    fields = {
        "event_id": payload.get("id"),
        "customer": customer,
        "service": first_given(payload, ("model_group", "model")),
        "occurred_at": None if ended is None else unix_time("endTime", ended),
        **_quantities(payload),
    }
    return timed_report(fields, now=now)


def _customer(payload: dict[str, Any]) -> Any:
    metadata = payload.get("metadata")
    return first_given(payload, ("end_user",)) or first_given(
        metadata if isinstance(metadata, dict) else {}, _CUSTOMER
    )


def _quantities(payload: dict[str, Any]) -> dict[str, Any]:
    found = {ours: payload[theirs] for theirs, ours in _MEASURES.items() if payload.get(theirs) is not None}
    if not found:
        raise BadItem("prompt_tokens", "neither prompt_tokens nor completion_tokens is given")
    return found
