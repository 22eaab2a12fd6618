"""Responses of the drill-down endpoints: bodies and errors."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta

from invoices.drilldown.forms import BY_AMOUNT, BY_TIME, MOST_RECORDS, RECORDS_A_PAGE
from invoices.drilldown.pagination import LONGEST_EVENT_ID, AmountCursor, RecordCursor
from invoices.drilldown.trace.records import BillingState, RecordTrace, Share
from invoices.models import ChargeLine, Correction
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.measured_structs import with_measures
from pricing.rules.measures import Measure
from sensenova_billing.lib.api.schemas import answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant
from usage.ingest.reversals import reason_of
from usage.models import Outcome

Digits = Annotated[str, Meta(pattern="^-?[0-9]+([.][0-9]+)?$", description="Exact.")]
_CORRECTIONS = [*(str(value) for value in Correction.values if value), None]


class ChargeLinePayload(msgspec.Struct, frozen=True):
    """A quantity of one billing item at one price on a bill."""

    id: int
    bill: Annotated[str, Meta(description="The bill's number.")]
    hour: Annotated[Instant, Meta(description="The billing hour.")]
    usage_hour: Annotated[Instant, Meta(description="Before the billing hour if the usage came late.")]
    service: str
    billing_item: Measure
    price_kind: Kind
    unit_price: Digits
    unit_size: int
    records: Annotated[int, Meta(description="0 on a re-rating: they are counted on the line corrected.")]
    quantity: Digits
    amount: Digits
    correction: Annotated[str | None, Meta(extra_json_schema={"enum": _CORRECTIONS})]
    corrects: Annotated[int | None, Meta(description="The id of the line corrected.")]
    package: Annotated[
        str | None,
        Meta(description="The number of the quota package that covers the usage, which costs nothing."),
    ]


class LineRecordPayload(msgspec.Struct, frozen=True):
    """A usage record, and its part of a charge line."""

    event_id: str
    occurred_at: Instant
    received_at: Instant
    reverses: Annotated[str | None, Meta(description="The event id of the reversed record.")]
    quantity: Annotated[int, Meta(description="Its part of the line's quantity.")]
    amount: Annotated[Digits, Meta(description="Its part of the line's amount, exact.")]


class LineRecordsPayload(msgspec.Struct, frozen=True):
    """A page of the records of a charge line."""

    charge_line: ChargeLinePayload
    records: list[LineRecordPayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class SharePayload(msgspec.Struct, frozen=True):
    """A record's part of a charge line."""

    charge_line: ChargeLinePayload
    quantity: int
    amount: Digits


@with_measures(int)
class TracedRecord(msgspec.Struct, frozen=True):
    """A usage record as it was reported."""

    event_id: str
    customer: str
    service: str
    occurred_at: Instant
    received_at: Instant


class RecordTracePayload(TracedRecord, frozen=True):
    """A usage record, and its part of every charge line on which it is billed or corrected."""

    metadata: dict[str, str] | None
    reverses: Annotated[str | None, Meta(description="The event id of the record that it reverses.")]
    reversed_by: Annotated[str | None, Meta(description="The event id of the record that reverses it.")]
    outcome: Annotated[Outcome | None, Meta(description="`failed` or `cut`; null: the call was completed.")]
    billing_hour: Instant
    standing: Annotated[
        BillingState,
        Meta(
            description="`billed`; `open`: its hour is not closed yet; `parked`: its hour is held back for a "
            "check; `not charged`: it failed or was cut off; `unbilled`: never, unless the books are broken."
        ),
    ]
    bill: Annotated[str | None, Meta(description="The bill's number.")]
    lines: list[SharePayload]
    corrections: list[SharePayload]
    amount: Annotated[Digits, Meta(description="What it comes to by now, corrections included.")]


def line_payload(line: ChargeLine) -> ChargeLinePayload:
    """Return the payload of a charge line."""
    return ChargeLinePayload(
        id=line.pk,
        bill=line.bill.number,
        hour=line.bill.hour_id,
        usage_hour=line.usage_hour,
        service=line.service_name,
        billing_item=Measure(line.measure),
        price_kind=Kind(line.price_kind),
        unit_price=plain(line.unit_price),
        unit_size=line.unit_size,
        records=line.records,
        quantity=plain(line.quantity),
        amount=plain(line.amount),
        correction=line.correction or None,
        corrects=line.corrects_id,
        package=line.package.number if line.package else None,
    )


def records_payload(
    *, line: ChargeLine, records: list[Any], next_after: RecordCursor | AmountCursor | None
) -> LineRecordsPayload:
    """Return the payload of a page of a line's records."""
    rows = [
        LineRecordPayload(
            event_id=record.event_id,
            occurred_at=record.occurred_at,
            received_at=record.received_at,
            reverses=record.reverses,
            quantity=record.quantity,
            amount=plain(record.amount),
        )
        for record in records
    ]
    return LineRecordsPayload(line_payload(line), rows, None if next_after is None else str(next_after))


def trace_payload(*, customer: str, found: RecordTrace) -> RecordTracePayload:
    """Return the payload of a record and of the lines on which it is billed and corrected."""
    record = found.record
    # The customer sees the reason of a reversal, not its author.
    metadata = record.metadata if record.reverses is None else {"reason": reason_of(record)}
    return RecordTracePayload(
        event_id=record.event_id,
        customer=customer,
        service=record.service.name,
        occurred_at=record.occurred_at,
        received_at=record.received_at,
        **{str(measure): record.quantity_of(measure) for measure in Measure},
        metadata=metadata,
        reverses=record.reverses,
        reversed_by=found.reversal.record.event_id if found.reversal else None,
        outcome=Outcome(record.outcome) if record.outcome else None,
        billing_hour=record.billing_hour,
        standing=found.billing_state,
        bill=found.bill.number if found.bill else None,
        lines=[_share_payload(share) for share in found.lines],
        corrections=[_share_payload(share) for share in found.corrections],
        amount=plain(found.amount),
    )


def _share_payload(share: Share) -> SharePayload:
    return SharePayload(line_payload(share.line), share.quantity, plain(share.amount))


AFTER = OpenApiParameter(
    "after", {"type": "string"}, description="`next` of the page before; without it, the first page."
)
ORDER = OpenApiParameter(
    "order",
    {"type": "string", "enum": [BY_TIME, BY_AMOUNT], "default": BY_TIME},
    description="`time`: the oldest first; `amount`: the largest amounts first.",
)
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS, "default": RECORDS_A_PAGE},
    description="How many records a page holds.",
)
EVENT_ID = OpenApiParameter(
    "event_id",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_EVENT_ID},
    required=True,
    description="The sender's own name for the call, exactly as it was sent.",
)
LINE_ID = OpenApiParameter("id", {"type": "integer", "minimum": 0}, location=OpenApiParameter.PATH)

_REFUSALS = {
    400: "A parameter cannot be read, is unknown, or is given twice; each is named with its reason.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such charge line, customer or record, or the key may not see it.",
    410: "The usage records are archived; the bill is named.",
    503: "The database is unavailable, or too many files are being written; retry after Retry-After seconds.",
}


def answers(success: OpenApiResponse, *, media_type: str = "application/json") -> dict[Any, OpenApiResponse]:
    """Return the responses of a drill-down endpoint: errors are JSON, success has this media type."""
    refused = {
        (status, "application/json"): answer(why, schema_ref("Error")) for status, why in _REFUSALS.items()
    }
    return {(200, media_type): success, **refused}
