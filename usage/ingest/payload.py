"""The payload of a usage report, and its decoding.

Decoding is strict: a quantity is a JSON integer, an instant has an offset, and an unknown field is rejected
rather than ignored, because a misspelt quantity would be lost usage. All bad items of a batch are named, not
only the first. Decimals of a second beyond the sixth are truncated, never rounded: rounding could move a call
into the next hour.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pricing.rules.measured_structs import with_measures
from pricing.rules.measures import MAX_QUANTITY
from sensenova_billing.lib.api.errors import Unreadable
from sensenova_billing.lib.api.strict_json import (
    TOO_FINE,
    BadItem,
    Instant,
    Name,
    read_as,
    read_at_once,
    read_json,
    require_name,
    require_text,
)
from usage.ingest.errors import InvalidUsage
from usage.metadata import Metadata, require_metadata
from usage.models import Outcome
from usage.refused.errors import RecordProblem

MAX_BATCH = 10_000

Quantity = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]


@with_measures(Quantity | UnsetType, default=UNSET)
class UsageReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model call of one customer, as a model service reports it: with a quantity of each measure.

    `event_id` is the sender's id of the call: the same id with the same content is a duplicate.
    `occurred_at` is RFC 3339 with an offset. Missing quantities are 0. `input_tokens` is the whole input:
    `cached_input_tokens` (read from a cache) and `cache_write_tokens` are parts of it. `input_text` may
    replace `input_characters`: its characters are counted, and it is never stored. `outcome` is given where
    the call failed or was cut off. `metadata` is stored with the record, e.g. the model's version, a user or
    a project. `call_id` is the id with which the call was admitted, if it was: it settles the call's
    reservation, and is not stored.
    """

    event_id: Name
    customer: Name
    service: Name
    occurred_at: Instant
    input_tokens: Quantity | UnsetType = UNSET
    output_tokens: Quantity | UnsetType = UNSET
    input_characters: Quantity | UnsetType = UNSET
    input_text: str | UnsetType = UNSET
    outcome: Outcome | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    call_id: Name | UnsetType = UNSET


class ArrivalReport(UsageReport, frozen=True, kw_only=True):
    """A report without a time: `occurred_at` is its arrival, which differs when it is resent."""


Decoded = TypeVar("Decoded")

_REPORTS = msgspec.json.Decoder(UsageReport | list[UsageReport])
_TOO_FINE_BYTES = re.compile(rb"\.\d{7}")


def decode_reports(body: bytes) -> list[UsageReport]:
    """Return the reports of a JSON object or array; raise Unreadable, or InvalidUsage with every bad item."""
    reports = _decode_at_once(body)
    if reports is None:
        payload = read_json(body)
        items = payload if isinstance(payload, list) else [payload]
        require_batch(items)
        reports = each_item(items, report_of, customer_of=lambda item: item.get("customer"))
    return reports


def _decode_at_once(body: bytes) -> list[UsageReport] | None:
    """Return the reports, or None if each item has to be checked by itself."""
    payload = None if _TOO_FINE_BYTES.search(body) else read_at_once(_REPORTS, body)
    if payload is None:
        return None
    reports = payload if isinstance(payload, list) else [payload]
    require_batch(reports)
    return None if any(map(_needs_checks, reports)) else reports


def require_batch(items: Sequence[Any]) -> None:
    """Raise Unreadable unless a batch has 1 to 10,000 items."""
    if len(items) > MAX_BATCH:
        raise Unreadable("batch_too_large", f"A batch holds up to {MAX_BATCH:,} records, not {len(items):,}.")
    if not items:
        raise Unreadable("empty_batch", "The batch holds no records. Nothing was stored.")


def each_item(
    items: Sequence[Any], read: Callable[[Any], Decoded], *, customer_of: Callable[[dict[str, Any]], Any]
) -> list[Decoded]:
    """Return `read(item)` for each item; raise InvalidUsage naming every item for which it raised BadItem.

    `customer_of` returns the customer that an object names, for the counters of refused usage. `read` returns
    None for an item that is no usage.
    """
    decoded, problems, records = [], [], []
    for index, item in enumerate(items):
        try:
            decoded.append(read(item))
            if decoded[-1] is None:
                continue
        except BadItem as error:
            problems.append(RecordProblem(index, error.field, error.reason))
        records.append(index)
    if problems:
        raise InvalidUsage(
            problems, customers={index: _named(items[index], customer_of) for index in records}
        )
    return decoded


def _named(item: Any, customer_of: Callable[[dict[str, Any]], Any]) -> Any:
    return customer_of(item) if isinstance(item, dict) else None


def report_of(fields: Any) -> UsageReport:
    """Return the report with these JSON values; raise BadItem."""
    if isinstance(fields, dict) and isinstance(instant := fields.get("occurred_at"), str):
        fields = fields | {"occurred_at": TOO_FINE.sub(r"\1", instant, count=1)}
    report = read_as(UsageReport, fields)
    for field in ("customer", "service", "input_text"):
        require_text(field, getattr(report, field) or "")
    for field in ("event_id", "call_id"):
        require_name(field, getattr(report, field) or "")
    require_metadata(report.metadata or {})
    if _gives_characters_twice(report):
        raise BadItem("input_text", "give either input_characters or input_text")
    return report


def _needs_checks(report: UsageReport) -> bool:
    names = [report.event_id, report.call_id or "", *(report.metadata or ())]
    return _gives_characters_twice(report) or not all(map(str.isprintable, names))


def _gives_characters_twice(report: UsageReport) -> bool:
    return report.input_text is not UNSET and report.input_characters is not UNSET
