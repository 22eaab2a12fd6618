"""CloudEvents 1.0, as OpenMeter's clients and LiteLLM's `openmeter` callback send them.

| ours | theirs |
|---|---|
| event id | `source` and `id`, with a space between |
| customer | `subject` |
| service | `data.model`, by its name or an alias |
| occurred at | `time`, in UTC if it has no offset; the arrival if missing |
| call id | `data.call_id`: events of one call count once in the RPM |
| quantities | OpenMeter's convention, one event for each direction; or `usage_objects` |
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pricing.rules.measures import Measure
from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.parsing import (
    Names,
    measure_of_each,
    read_client_json,
    require_object,
    timed_report,
    whole_number,
    without_spaces,
)
from usage.clients.usage_objects import Counts, has_counts, quantities_of
from usage.ingest.payload import UsageReport, each_item, require_batch

# The client's names of our fields, for errors in its format.
NAMES = {
    "event_id": "id",
    "customer": "subject",
    "service": "data.model",
    "occurred_at": "time",
    **{measure.value: "data" for measure in Measure},
}

# OpenMeter's convention for prompts: the direction of an event's `tokens`.
OPENMETER_TYPES: Names = {
    Measure.INPUT_TOKENS: ("input", "system"),
    Measure.OUTPUT_TOKENS: ("output",),
}

_DIRECTIONS = measure_of_each(OPENMETER_TYPES)
_ZONED = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_QUOTED = re.compile(r"\\(.)")
MAX_ID = 255
HEADER_PREFIX = "ce-"


def decode_events(body: bytes, *, now: dt.datetime) -> list[UsageReport]:
    """Return the reports of an event or a batch; raise Unreadable, or InvalidUsage with every bad event."""
    payload = read_client_json(body)
    items = payload if isinstance(payload, list) else [payload]
    require_batch(items)
    return each_item(items, lambda item: _report(item, now), customer_of=lambda item: item.get("subject"))


def decode_binary_event(headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> list[UsageReport]:
    """Return the report of an event whose attributes are headers; raise Unreadable or InvalidUsage."""
    data = read_client_json(body)
    attributes = {
        name[len(HEADER_PREFIX) :].lower(): value
        for name, value in headers.items()
        if name.lower().startswith(HEADER_PREFIX)
    }

    def read(attributes: Any) -> UsageReport:
        event = {name: _attribute(value) for name, value in attributes.items()}
        return _report(event | {"data": data}, now)

    return each_item([attributes], read, customer_of=lambda item: item.get("subject"))


def _report(item: Any, now: dt.datetime) -> UsageReport:
    event = require_object("", item)
    if event.get("specversion") != "1.0":
        raise BadItem("specversion", "must be 1.0")
    _text(event, "type")
    data = require_object("data", event.get("data"))
    fields = {
        "event_id": _event_id(source=_text(event, "source"), own_id=_text(event, "id")),
        "customer": _text(event, "subject"),
        "service": data.get("model"),
        "occurred_at": _instant(event.get("time")),
        **({} if data.get("call_id") is None else {"call_id": data["call_id"]}),
        **_quantities(data),
    }
    return timed_report(fields, now=now)


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise BadItem(name, "must be a string that is not empty")
    return value


def _event_id(*, source: str, own_id: str) -> str:
    # An event is identified by source and id together; so the space that joins them must be the only one
    # before the id, whatever the source contains.
    joined = f"{without_spaces(source)} {own_id}"
    if len(joined) > MAX_ID:
        raise BadItem("id", f"source and id together are longer than {MAX_ID - 1} characters")
    return joined


def _instant(time: Any) -> Any:
    # LiteLLM on old Pythons writes UTC without an offset.
    if isinstance(time, str) and not _ZONED.search(time):
        return f"{time}Z"
    return time


def _quantities(data: dict[str, Any]) -> Counts:
    if data.get("tokens") is None:
        if isinstance(usage := data.get("usage"), dict):
            return quantities_of(usage, path="data.usage.")
        return quantities_of(data, path="data.")
    if has_counts({name: value for name, value in data.items() if name != "tokens"}):
        raise BadItem("data", "has quantities of more than one format")
    direction = data.get("type")
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise BadItem("data.type", "must be input, output or system")
    return {_DIRECTIONS[direction]: whole_number("data.tokens", data["tokens"])}


def _attribute(value: str) -> str:
    """Return an attribute that came in a header; raise BadItem. CloudEvents HTTP binding 1.0.2, 3.1.3.2."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _QUOTED.sub(r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise BadItem("", "a header is not UTF-8 in percent-encoding") from error
