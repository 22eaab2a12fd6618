"""What a sender reports of one model call, and how bytes become reports.

Decoding is strict: a quantity is a JSON integer, an instant has an offset, a field that is not known is
refused rather than ignored, because a misspelt quantity would be usage lost. All bad items of a batch are
named, not only the first.
"""

import datetime as dt
import json
import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from usage.models import MAX_QUANTITY
from usage.refusals import BadBatch, Problem, Unreadable

MAX_BATCH = 10_000

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Instant = Annotated[dt.datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]


class UsageReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model call of one customer, as a model service reports it.

    `event_id` is the sender's own name for the call: the same id with the same content is a duplicate.
    `occurred_at` is RFC 3339 with an offset. Quantities that are left out are 0. `input_text` may stand in
    for `input_characters`: it is counted, and never stored.
    """

    event_id: Name
    customer: Name
    service: Name
    occurred_at: Instant
    input_tokens: Quantity = 0
    output_tokens: Quantity = 0
    input_characters: Quantity | UnsetType = UNSET
    input_text: str | UnsetType = UNSET


_REPORT = msgspec.json.Decoder(UsageReport)
_BATCH = msgspec.json.Decoder(list[msgspec.Raw])
_FIELD = re.compile(r" - at `\$\.(\w+)`$")


def decode_reports(body: bytes) -> list[UsageReport]:
    """Return the reports in a JSON object or array; raise Unreadable, or BadBatch naming every bad item."""
    items = _items(body)
    if len(items) > MAX_BATCH:
        raise Unreadable("batch_too_large", f"A batch holds up to {MAX_BATCH:,} records, not {len(items):,}.")
    if not items:
        raise Unreadable("empty_batch", "The batch holds no records. Nothing was stored.")
    reports, problems = [], []
    for index, item in enumerate(items):
        try:
            reports.append(_decode(item))
        except msgspec.ValidationError as error:
            problems.append(_problem(index, str(error)))
        except _Refused as error:
            problems.append(Problem(index=index, field=error.field, reason=error.reason))
    if problems:
        raise BadBatch(problems)
    return reports


class _Refused(Exception):
    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason


def _items(body: bytes) -> list[msgspec.Raw]:
    try:
        # The whole body is read once with duplicate keys in view: decoders keep the last one silently.
        json.loads(body.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        if body.lstrip()[:1] == b"[":
            return _BATCH.decode(body)
        return [msgspec.Raw(body)]
    except _Refused as error:
        raise Unreadable("malformed_json", error.reason) from error
    except (UnicodeDecodeError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unreadable("malformed_json", "The body is not JSON in UTF-8. Nothing was stored.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Refused("", "A key stands twice in one object. Nothing was stored.")
    return fields


def _no_constant(name: str) -> None:
    raise _Refused("", f"{name} is not a JSON value. Nothing was stored.")


def _decode(item: msgspec.Raw) -> UsageReport:
    try:
        report = _REPORT.decode(item)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Refused("", "a string is not valid Unicode") from error
    for field in ("event_id", "customer", "service"):
        if "\0" in getattr(report, field):
            raise _Refused(field, "must not hold a NUL character")
    if report.input_text is not UNSET and report.input_characters is not UNSET:
        raise _Refused("input_text", "give either input_characters or input_text")
    return report


def _problem(index: int, message: str) -> Problem:
    found = _FIELD.search(message)
    return Problem(index=index, field=found.group(1) if found else "", reason=_FIELD.sub("", message))
