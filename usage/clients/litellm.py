"""LiteLLM's StandardLoggingPayload, as its `generic_api` callback sends it: an array, lines, or one.

| ours | theirs |
|---|---|
| event id | `litellm_call_id`, `id` and `startTime`, those that are given |
| customer | the first that is one: `end_user` and, in `metadata`, the names in `_CUSTOMER` |
| service | `model_group`, else `model`, by its name or an alias |
| occurred at | `endTime`, Unix seconds; the arrival if missing |
| quantities | by the call type, see `_quantities`; tokens of `metadata.usage_object` and `prompt_tokens` |
| outcome | `failed` if `status` is `failure` |

Skipped and counted: what used no model, which is answers from LiteLLM's own cache, failures without tokens
and calls that only read or delete (`_READS`). The payload may contain the prompt and the answer; only these
fields are read, and nothing else is kept or logged.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from pricing.rules.characters import count_characters
from pricing.rules.measures import Measure
from sensenova_billing.lib.api.strict_json import BadItem, require_text
from usage.clients.parsing import (
    LITELLM_NAMES,
    WrittenFloat,
    as_written,
    first_given,
    is_whole,
    measure_of_each,
    nearest_whole,
    read_client_json,
    require_object,
    timed_report,
    unix_time,
    whole_number,
    without_spaces,
)
from usage.clients.usage_objects import Counts, has_counts, quantities_of
from usage.ingest.payload import UsageReport, require_batch
from usage.models import Outcome

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
MAX_ID = 255

# Call types of LiteLLM 1.106 to 1.110; asynchronous ones have an `a` before the name.
_TEXTS = {
    "", "completion", "text_completion", "embedding", "responses", "compact_responses", "anthropic_messages",
    "generate_content", "generate_content_stream",
}  # fmt: skip
_SPEECH, _TRANSCRIPTION, _RERANK = "speech", "transcription", "rerank"
_IMAGES = {"image_generation", "image_edit", "image_variation"}
_ASYNCHRONOUS = {f"a{name}": name for name in (*_TEXTS, *_IMAGES, _SPEECH, _TRANSCRIPTION, _RERANK) if name}
# What is stored is made, read, listed or removed, and tools are called: none of that uses a model.
_WITHOUT_MODEL = {
    "get_responses", "delete_responses", "cancel_responses", "list_input_items", "retrieve_batch",
    "cancel_batch", "create_file", "file_retrieve", "file_delete", "file_list", "file_content",
    "video_retrieve", "video_retrieve_job", "video_content", "video_list", "video_delete",
    "video_get_character", "vector_store_create", "vector_store_file_create", "vector_store_file_list",
    "vector_store_file_retrieve", "vector_store_file_content", "vector_store_file_update",
    "vector_store_file_delete", "get_assistants", "create_assistants", "delete_assistant", "create_thread",
    "get_thread", "get_messages", "add_message", "create_container", "list_containers", "retrieve_container",
    "delete_container", "list_container_files", "upload_container_file", "create_sandbox", "delete_sandbox",
    "list_fine_tuning_jobs", "retrieve_fine_tuning_job", "cancel_fine_tuning_job", "list_mcp_tools",
    "call_mcp_tool",
}  # fmt: skip
_READS = {form for name in _WITHOUT_MODEL for form in (name, f"a{name}", f"a_{name}")}
_REDACTED = "redacted-by-litellm"


@dataclass(frozen=True)
class LiteLLMItem:
    """An item of a delivery: its report, of a customer that is still to be chosen, or why there is none.

    `customers` are the names that may be the customer's code, in order; `sent` is what was read, as text;
    `ended_at` is known for some of those that have no report.
    """

    index: int
    customers: tuple[str, ...]
    report: UsageReport | BadItem
    sent: Mapping[str, str]
    ended_at: dt.datetime | None


@dataclass(frozen=True)
class Delivery:
    """The items of a delivery that used a model, and how many others it has."""

    items: list[LiteLLMItem]
    skipped: int


def decode_payloads(body: bytes, *, now: dt.datetime) -> Delivery:
    """Return the payloads of an array, of lines or of one object; raise Unreadable."""
    payloads = _items(body)
    require_batch(payloads)
    decoded = [_decoded(index, payload, now) for index, payload in enumerate(payloads)]
    items = [item for item in decoded if item is not None]
    return Delivery(items, skipped=len(payloads) - len(items))


def _items(body: bytes) -> list[Any]:
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    # All three formats have the same content type; an object that ends where its line ends is one of many.
    if len(lines) > 1 and lines[0].startswith(b"{") and lines[0].endswith(b"}"):
        require_batch(lines)
        return [read_client_json(line) for line in lines]
    payload = read_client_json(body)
    return payload if isinstance(payload, list) else [payload]


def _decoded(index: int, item: Any, now: dt.datetime) -> LiteLLMItem | None:
    customers: tuple[str, ...] = ()
    sent: dict[str, str] = {"payload": type(item).__name__}
    ended_at = None
    try:
        payload = require_object("", item)
        customers = _customers(payload)
        sent = _sent(payload, customers)
        ended = payload.get("endTime")
        ended_at = None if ended is None else unix_time("endTime", ended)
        report = _report(payload, customers, ended_at, now)
    except BadItem as problem:
        return LiteLLMItem(index, customers, problem, sent, ended_at)
    return None if report is None else LiteLLMItem(index, customers, report, sent, ended_at)


def _report(
    payload: dict[str, Any], customers: tuple[str, ...], ended_at: dt.datetime | None, now: dt.datetime
) -> UsageReport | None:
    status = payload.get("status", "success")
    if status not in _STATUSES:
        raise BadItem("status", "must be success or failure")
    call_type = _call_type(payload)
    if payload.get("cache_hit") is True or call_type in _READS:
        return None
    quantities = _quantities(payload, call_type, is_failure=status == "failure")
    if status == "failure" and not any(quantities.values()):
        return None
    report = timed_report(
        {
            "event_id": _event_id(payload),
            # One is chosen later; without any, an error names the field.
            "customer": customers[0] if customers else first_given(payload, ("end_user",)) or "-",
            "service": first_given(payload, ("model_group", "model")),
            "occurred_at": ended_at,
            **quantities,
            **({"outcome": Outcome.FAILED} if status == "failure" else {}),
        },
        now=now,
    )
    full = _full_id(payload)
    return report if len(full) <= MAX_ID else structs.replace(report, metadata={"id": full})


def _call_type(payload: dict[str, Any]) -> str:
    call_type = payload.get("call_type") or ""
    if not isinstance(call_type, str):
        raise BadItem("call_type", "must be a string")
    return _ASYNCHRONOUS.get(call_type, call_type)


def _event_id(payload: dict[str, Any]) -> Any:
    own_id = payload.get("id")
    if not isinstance(own_id, str):
        return own_id  # the report refuses it
    # Callers may choose ids, and providers use short ones again: all that tells calls apart is in ours.
    full = _full_id(payload)
    if len(full) <= MAX_ID:
        return full
    require_text("event_id", full)
    return f"sha256-{hashlib.sha256(full.encode()).hexdigest()}"


def _full_id(payload: dict[str, Any]) -> str:
    started = first_given(payload, ("startTime",))
    parts = [payload.get("litellm_call_id") or "-", payload.get("id"), "-" if started is None else started]
    texts = [without_spaces(as_written(part)) for part in parts]
    return texts[1] if texts[0] == texts[2] == "-" else " ".join(texts)


def _customers(payload: dict[str, Any]) -> tuple[str, ...]:
    metadata = _within(payload, "metadata")
    names = [payload.get("end_user"), *(metadata.get(name) for name in _CUSTOMER)]
    plain = [
        name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_ID and name.isprintable()
    ]
    return tuple(dict.fromkeys(plain))


def _sent(payload: dict[str, Any], customers: tuple[str, ...]) -> dict[str, str]:
    """Return what was read, as short texts, for people who mend it."""
    names = ("id", "litellm_call_id", "call_type", "status", "model", "model_group", "startTime", "endTime",
             "prompt_tokens", "completion_tokens", "total_tokens")  # fmt: skip
    sent = {name: as_written(payload[name]) for name in names if payload.get(name) is not None}
    counts = {
        name: value for name, value in _usage_object(payload).items() if isinstance(value, int | WrittenFloat)
    }
    if counts:
        sent["usage_object"] = ", ".join(f"{name}: {as_written(value)}" for name, value in counts.items())
    if customers:
        sent["customers"] = ", ".join(customers)
    return sent


def _quantities(payload: dict[str, Any], call_type: str, *, is_failure: bool) -> Counts:
    if is_failure:
        return _tokens(payload, may_be_missing=True)
    if call_type in _TEXTS:
        found = _tokens(payload, may_be_missing=False)
        if not any(found.values()):
            # E.g. a response that is made in the background, and read later.
            raise BadItem("prompt_tokens", "the call was answered, but no tokens are given")
        return found
    if call_type == _SPEECH:
        return {Measure.INPUT_CHARACTERS.value: count_characters(_spoken(payload))}
    if call_type == _TRANSCRIPTION:
        return _seconds(payload)
    if call_type in _IMAGES:
        return {Measure.IMAGES.value: _number_of_images(payload)}
    if call_type == _RERANK:
        return {Measure.REQUESTS.value: _number_of_searches(payload)}
    raise BadItem("call_type", "is not a kind of call that can be charged")


def _tokens(payload: dict[str, Any], *, may_be_missing: bool) -> Counts:
    found = {ours: payload[theirs] for theirs, ours in _MEASURES.items() if payload.get(theirs) is not None}
    if not found:
        if may_be_missing:
            return {}
        raise BadItem("prompt_tokens", "neither prompt_tokens nor completion_tokens is given")
    if not all(map(is_whole, found.values())):
        return found  # the report refuses it by name
    total = payload.get("total_tokens")
    if is_whole(total) and total != sum(found.values()):
        raise BadItem("total_tokens", f"is {total:,}, but the tokens are {sum(found.values()):,}")
    usage = _usage_object(payload)
    if not has_counts(usage):
        return found
    detailed = quantities_of(usage, path="metadata.usage_object.")
    if any(detailed.get(ours, 0) < count for ours, count in found.items()):
        raise BadItem("metadata.usage_object", "has fewer tokens than the payload")
    return detailed


def _usage_object(payload: dict[str, Any]) -> dict[str, Any]:
    return _within(payload, "metadata", "usage_object")


def _within(fields: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at this path, or an empty one if anything else is there."""
    for name in path:
        inner = fields.get(name)
        fields = inner if isinstance(inner, dict) else {}
    return fields


def _spoken(payload: dict[str, Any]) -> str:
    text = payload.get("messages")
    if isinstance(text, list) and len(text) == 1 and isinstance(text[0], dict):
        text = text[0].get("content")
    if not isinstance(text, str) or not text or text == _REDACTED:
        raise BadItem("messages", "has no text whose characters could be counted")
    return text


def _seconds(payload: dict[str, Any]) -> Counts:
    usage = _usage_object(payload)
    given = usage.get("seconds") or _within(payload, "response").get("duration")
    if given is None and payload.get("prompt_tokens"):
        return _tokens(payload, may_be_missing=False)  # some models count tokens
    if given is None:
        raise BadItem("metadata.usage_object", "has no seconds")
    return {Measure.SECONDS.value: nearest_whole("seconds", given)}


def _number_of_images(payload: dict[str, Any]) -> int:
    count = _usage_object(payload).get("output_image_count")
    images = _within(payload, "response").get("data")
    if count is None and isinstance(images, list):
        count = len(images)
    if count is None:
        raise BadItem("metadata.usage_object", "has no output_image_count")
    return whole_number("metadata.usage_object.output_image_count", count)


def _number_of_searches(payload: dict[str, Any]) -> int:
    if _within(payload, "response").get("text") == _REDACTED:
        raise BadItem("response", "is redacted, and has the number of searches")
    count = _within(payload, "response", "meta", "billed_units").get("search_units")
    return 1 if count is None else whole_number("response.meta.billed_units.search_units", count)
