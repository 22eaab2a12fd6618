"""What a sender reports of one model call, and how bytes become reports.

Decoding is strict: a quantity is a JSON integer, an instant has an offset, a field that is not known is
refused rather than ignored, because a misspelt quantity would be usage lost. All bad items of a batch are
named, not only the first. Decimals of a second beyond the sixth are cut off, never rounded: rounding could
move a call into the next hour.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

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
from usage.refused.errors import RecordProblem

MAX_BATCH = 10_000

Quantity = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=255)]],
    Meta(max_length=16),
]


class UsageReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model call of one customer, as a model service reports it.

    `event_id` is the sender's own name for the call: the same id with the same content is a duplicate.
    `occurred_at` is RFC 3339 with an offset. Quantities that are left out are 0. `input_text` may stand in
    for `input_characters`: it is counted, and never stored. `metadata` is kept with the record, e.g. the
    model's version, a user or a project. `call_id` is that under which the call was admitted, if it was: it
    settles what the call holds of the limits, and is not stored.
    """

    event_id: Name
    customer: Name
    service: Name
    occurred_at: Instant
    input_tokens: Quantity | UnsetType = UNSET
    output_tokens: Quantity | UnsetType = UNSET
    input_characters: Quantity | UnsetType = UNSET
    input_text: str | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    call_id: Name | UnsetType = UNSET


class ArrivalReport(UsageReport, frozen=True, kw_only=True):
    """A report whose sender said no time: `occurred_at` is its arrival, which differs when it is resent."""


Made = TypeVar("Made")

_REPORTS = msgspec.json.Decoder(UsageReport | list[UsageReport])
_TOO_FINE_BYTES = re.compile(rb"\.\d{7}")


def decode_reports(body: bytes) -> list[UsageReport]:
    """Return the reports of a JSON object or array; raise Unreadable, or InvalidUsage with every bad item."""
    reports = _decode_at_once(body)
    if reports is None:
        said = read_json(body)
        items = said if isinstance(said, list) else [said]
        require_batch(items)
        reports = each_item(items, report_of, customer_of=lambda item: item.get("customer"))
    return reports


def _decode_at_once(body: bytes) -> list[UsageReport] | None:
    """Return the reports, or None where each item has to be looked at by itself."""
    said = None if _TOO_FINE_BYTES.search(body) else read_at_once(_REPORTS, body)
    if said is None:
        return None
    reports = said if isinstance(said, list) else [said]
    require_batch(reports)
    return None if any(map(_is_doubtful, reports)) else reports


def require_batch(items: Sequence[Any]) -> None:
    """Raise Unreadable unless these are 1 to 10,000."""
    if len(items) > MAX_BATCH:
        raise Unreadable("batch_too_large", f"A batch holds up to {MAX_BATCH:,} records, not {len(items):,}.")
    if not items:
        raise Unreadable("empty_batch", "The batch holds no records. Nothing was stored.")


def each_item(
    items: Sequence[Any], read: Callable[[Any], Made], *, customer_of: Callable[[dict[str, Any]], Any]
) -> list[Made]:
    """Return `read(item)` for each item; raise InvalidUsage naming every item for which it raised BadItem.

    `customer_of` returns the customer that an object names, for counting what was refused. An item of which
    `read` makes None is no usage.
    """
    made, problems, records = [], [], []
    for index, item in enumerate(items):
        try:
            made.append(read(item))
            if made[-1] is None:
                continue
        except BadItem as error:
            problems.append(RecordProblem(index, error.field, error.reason))
        records.append(index)
    if problems:
        raise InvalidUsage(
            problems, customers={index: _named(items[index], customer_of) for index in records}
        )
    return made


def _named(item: Any, customer_of: Callable[[dict[str, Any]], Any]) -> Any:
    return customer_of(item) if isinstance(item, dict) else None


def report_of(fields: Any) -> UsageReport:
    """Return the report that these JSON values make; raise BadItem."""
    if isinstance(fields, dict) and isinstance(instant := fields.get("occurred_at"), str):
        fields = fields | {"occurred_at": TOO_FINE.sub(r"\1", instant, count=1)}
    report = read_as(UsageReport, fields)
    for field in ("customer", "service", "input_text"):
        require_text(field, getattr(report, field) or "")
    for field in ("event_id", "call_id"):
        require_name(field, getattr(report, field) or "")
    for key, value in (report.metadata or {}).items():
        require_name("metadata", key)
        require_text("metadata", value)
    if _gives_characters_twice(report):
        raise BadItem("input_text", "give either input_characters or input_text")
    return report


def _is_doubtful(report: UsageReport) -> bool:
    names = [report.event_id, report.call_id or "", *(report.metadata or ())]
    return _gives_characters_twice(report) or not all(map(str.isprintable, names))


def _gives_characters_twice(report: UsageReport) -> bool:
    return report.input_text is not UNSET and report.input_characters is not UNSET
