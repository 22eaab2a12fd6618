"""The payloads of the drill-down endpoints, and their OpenAPI schemas."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from invoices.drilldown.forms import MOST_RECORDS, RECORDS_A_PAGE
from invoices.drilldown.pagination import LONGEST_EVENT_ID, RecordCursor
from invoices.drilldown.trace import BillingState, RecordTrace, Share
from invoices.models import ChargeLine, Correction
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref
from usage.ingest.reversals import reason_of


def line_payload(line: ChargeLine) -> dict[str, Any]:
    """Return the payload of a charge line."""
    return {
        "id": line.pk,
        "bill": line.bill.number,
        "hour": line.bill.hour_id,
        "usage_hour": line.usage_hour,
        "service": line.service_name,
        "billing_item": line.measure,
        "price_kind": line.price_kind,
        "unit_price": plain(line.unit_price),
        "unit_size": line.unit_size,
        "records": line.records,
        "quantity": plain(line.quantity),
        "amount": plain(line.amount),
        "correction": line.correction or None,
        "corrects": line.corrects_id,
    }


def records_payload(
    *, line: ChargeLine, records: list[Any], next_after: RecordCursor | None
) -> dict[str, Any]:
    """Return what the API says of a page of a line's records."""
    rows = [
        {
            "event_id": record.event_id,
            "occurred_at": record.occurred_at,
            "received_at": record.received_at,
            "reverses": record.reverses,
            "quantity": record.quantity,
            "amount": plain(record.amount),
        }
        for record in records
    ]
    return {
        "charge_line": line_payload(line),
        "records": rows,
        "next": None if next_after is None else str(next_after),
    }


def trace_payload(*, customer: str, found: RecordTrace) -> dict[str, Any]:
    """Return what the API says of a record and of the lines on which it is billed and corrected."""
    record = found.record
    # Who took a record back is ours to know, and why the customer's too.
    metadata = record.metadata if record.reverses is None else {"reason": reason_of(record)}
    return {
        "event_id": record.event_id,
        "customer": customer,
        "service": record.service.name,
        "occurred_at": record.occurred_at,
        "received_at": record.received_at,
        **{str(measure): getattr(record, measure) for measure in Measure},
        "metadata": metadata,
        "reverses": record.reverses,
        "reversed_by": found.reversal.record.event_id if found.reversal else None,
        "billing_hour": record.billing_hour,
        "standing": str(found.billing_state),
        "bill": found.bill.number if found.bill else None,
        "lines": [_share_payload(share) for share in found.lines],
        "corrections": [_share_payload(share) for share in found.corrections],
        "amount": plain(found.amount),
    }


def _share_payload(share: Share) -> dict[str, Any]:
    return {
        "charge_line": line_payload(share.line),
        "quantity": share.quantity,
        "amount": plain(share.amount),
    }


AFTER = OpenApiParameter(
    "after", {"type": "string"}, description="`next` of the page before; without it, the first page."
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
    401: "No service key, or one that is not live.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such thing, or the key may not see it.",
    503: "The database is away, or too many files are being written; ask again after Retry-After seconds.",
}


def answers(success: OpenApiResponse, *, media_type: str = "application/json") -> dict[Any, OpenApiResponse]:
    """Return every way in which such a door answers; refusals are JSON whatever it answers else."""
    refused = {
        (status, "application/json"): answer(why, schema_ref("Error")) for status, why in _REFUSALS.items()
    }
    return {(200, media_type): success, **refused}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_INSTANT = {"type": "string", "format": "date-time"}
_INTEGER = {"type": "integer"}
_DECIMAL = {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$", "description": "Exact."}
_CORRECTIONS = [*(str(value) for value in Correction.values if value), None]

TRACE_SHAPES: dict[str, Schema] = {
    "ChargeLine": _object(
        {
            "id": _INTEGER,
            "bill": _TEXT | {"description": "The bill's number."},
            "hour": _INSTANT | {"description": "The billing hour."},
            "usage_hour": _INSTANT | {"description": "Before the billing hour if the usage came late."},
            "service": _TEXT,
            "billing_item": {"type": "string", "enum": [str(measure) for measure in Measure]},
            "price_kind": {"type": "string", "enum": list(map(str, Kind))},
            "unit_price": _DECIMAL,
            "unit_size": _INTEGER,
            "records": _INTEGER
            | {"description": "0 on a re-rating: they are counted on the line corrected."},
            "quantity": _DECIMAL,
            "amount": _DECIMAL,
            "correction": {"type": ["string", "null"], "enum": _CORRECTIONS},
            "corrects": {"type": ["integer", "null"], "description": "The id of the line corrected."},
        }
    ),
    "LineRecord": _object(
        {
            "event_id": _TEXT,
            "occurred_at": _INSTANT,
            "received_at": _INSTANT,
            "reverses": _TEXT_OR_NULL | {"description": "The event id of the reversed record."},
            "quantity": _INTEGER | {"description": "Its part of the line's quantity."},
            "amount": _DECIMAL | {"description": "Its part of the line's amount, exact."},
        }
    ),
    "LineRecords": _object(
        {
            "charge_line": schema_ref("ChargeLine"),
            "records": {"type": "array", "items": schema_ref("LineRecord")},
            "next": _TEXT_OR_NULL | {"description": "`after` of the next page; null on the last."},
        }
    ),
    "Share": _object({"charge_line": schema_ref("ChargeLine"), "quantity": _INTEGER, "amount": _DECIMAL}),
    "RecordTrace": _object(
        {
            "event_id": _TEXT,
            "customer": _TEXT,
            "service": _TEXT,
            "occurred_at": _INSTANT,
            "received_at": _INSTANT,
            **{str(measure): _INTEGER for measure in Measure},
            "metadata": {"type": ["object", "null"]},
            "reverses": _TEXT_OR_NULL | {"description": "The event id of the record that it reverses."},
            "reversed_by": _TEXT_OR_NULL | {"description": "The event id of the record that reverses it."},
            "billing_hour": _INSTANT,
            "standing": {
                "type": "string",
                "enum": [str(state) for state in BillingState],
                "description": (
                    "`billed`; `open`: its hour is not closed yet; `parked`: its hour is held back for a "
                    "check; `unbilled`: never, unless the books are broken."
                ),
            },
            "bill": _TEXT_OR_NULL | {"description": "The bill's number."},
            "lines": {"type": "array", "items": schema_ref("Share")},
            "corrections": {"type": "array", "items": schema_ref("Share")},
            "amount": _DECIMAL | {"description": "What it comes to by now, corrections included."},
        }
    ),
}
