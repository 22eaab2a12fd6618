"""CloudEvents 1.0, as OpenMeter's clients and LiteLLM's `openmeter` callback send them.

| ours | theirs |
|---|---|
| event id | `source` and `id`, with a space between |
| customer | `subject` |
| service | `data.model`, by its name or an alias |
| occurred at | `time`, in UTC if it has no offset; the arrival if missing |
| quantities | one of three families, see `_FAMILIES` |
"""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from pricing.rules.measures import Measure
from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.parsing import (
    LITELLM_NAMES,
    Names,
    measure_of_each,
    read_client_json,
    require_object,
    timed_report,
    whole_number,
)
from usage.ingest.payload import UsageReport, each_item, require_batch

# The client's names of our fields, for errors in its format.
NAMES = {
    "event_id": "id",
    "customer": "subject",
    "service": "data.model",
    "occurred_at": "time",
    **{measure.value: "data" for measure in Measure},
}

Quantities = dict[str, int]

# OpenMeter's convention for prompts: the direction of an event's `tokens`.
OPENMETER_TYPES: Names = {
    Measure.INPUT_TOKENS: ("input", "system"),
    Measure.OUTPUT_TOKENS: ("output",),
}

_LITELLM = measure_of_each(LITELLM_NAMES)
_OURS = {measure.value: measure.value for measure in Measure}
_DIRECTIONS = measure_of_each(OPENMETER_TYPES)
_ZONED = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
MAX_ID = 255


def decode_events(body: bytes, *, now: dt.datetime) -> list[UsageReport]:
    """Return the reports of an event or a batch; raise Unreadable, or InvalidUsage with every bad event."""
    payload = read_client_json(body)
    items = payload if isinstance(payload, list) else [payload]
    require_batch(items)
    return each_item(items, lambda item: _report(item, now), customer_of=lambda item: item.get("subject"))


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
    joined = f"{source.replace('%', '%25').replace(' ', '%20')} {own_id}"
    if len(joined) > MAX_ID:
        raise BadItem("id", f"source and id together are longer than {MAX_ID - 1} characters")
    return joined


def _instant(time: Any) -> Any:
    # LiteLLM on old Pythons writes UTC without an offset.
    if isinstance(time, str) and not _ZONED.search(time):
        return f"{time}Z"
    return time


def _quantities(data: dict[str, Any]) -> Quantities:
    found = [read(data) for family, read in _FAMILIES if any(data.get(name) is not None for name in family)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadItem("data", "has quantities of more than one format")
    if data.get("total_tokens") is not None:
        raise BadItem("data", "total_tokens alone cannot be billed: input and output have their own prices")
    raise BadItem("data", "has no billable quantity")


def _renamed(names: dict[str, str]) -> Callable[[dict[str, Any]], Quantities]:
    def read(data: dict[str, Any]) -> Quantities:
        given = {theirs: ours for theirs, ours in names.items() if data.get(theirs) is not None}
        return {ours: whole_number(f"data.{theirs}", data[theirs]) for theirs, ours in given.items()}

    return read


def _directed(data: dict[str, Any]) -> Quantities:
    direction = data.get("type")
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise BadItem("data.type", "must be input, output or system")
    return {_DIRECTIONS[direction]: whole_number("data.tokens", data.get("tokens"))}


# LiteLLM's names; OpenMeter's convention, one event for each direction; our own names.
_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[dict[str, Any]], Quantities]], ...] = (
    (tuple(_LITELLM), _renamed(_LITELLM)),
    (("tokens",), _directed),
    (tuple(_OURS), _renamed(_OURS)),
)
