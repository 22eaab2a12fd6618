"""Responses of the endpoints of bills, charge lines and usage."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta

from invoices.drilldown.forms import MOST_RECORDS
from invoices.drilldown.schemas import ChargeLinePayload, Digits, line_payload
from invoices.models import ChargeLine, HourlyBill, HourSeal
from invoices.usage_report.queries import (
    BILL_CURSOR,
    BUCKETS,
    LATEST,
    LINE_CURSOR,
    ROWS_A_PAGE,
    WIDTHS,
    groupings,
)
from invoices.usage_report.read import NOTHING, UsageRow
from pricing.rules.amounts import exact_sum, plain
from pricing.rules.measures import Measure, whole_and_parts
from sensenova_billing.lib.api.schemas import CUSTOMER, answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant

_SEAL = "The SHA-256 over all that was billed with the same closing, in hexadecimal digits."
UnixSeconds = Annotated[int, Meta(description="Unix seconds.")]


class BillPayload(msgspec.Struct, frozen=True):
    """What a customer owes for one billing hour."""

    number: str
    customer: Annotated[str, Meta(description="The customer's code.")]
    hour: Annotated[Instant, Meta(description="The billing hour.")]
    issued_at: Instant
    records: Annotated[int, Meta(description="Calls, and reversals of calls.")]
    amount: Annotated[Digits, Meta(description="In RMB, exact: the sum of its lines.")]


class BillsPayload(msgspec.Struct, frozen=True):
    """A page of bills."""

    bills: list[BillPayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class BillWithLinesPayload(BillPayload, frozen=True):
    """A bill with its charge lines."""

    seal: Annotated[str, Meta(description=_SEAL)]
    lines: list[ChargeLinePayload]


class SealPayload(msgspec.Struct, frozen=True):
    """The seal of a closed hour."""

    hour: Instant
    sha256: Annotated[str, Meta(description="In hexadecimal digits.")]
    closed_at: Instant


class SealsPayload(msgspec.Struct, frozen=True):
    """A page of seals."""

    seals: list[SealPayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class ChargeLinesPayload(msgspec.Struct, frozen=True):
    """A page of charge lines."""

    charge_lines: list[ChargeLinePayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class UsageAmountPayload(msgspec.Struct, frozen=True):
    """An amount."""

    value: Annotated[Digits, Meta(description="Exact.")]
    currency: Literal["cny"] = "cny"


class UsageResultPayload(msgspec.Struct, frozen=True):
    """What one group used."""

    service: Annotated[str | None, Meta(description="Null where usage is grouped by metadata.")]
    billing_item: Annotated[Measure | None, Meta(description="Null unless usage is grouped by item.")]
    value: Annotated[
        str | None,
        Meta(description="Of the metadata by which usage is grouped; empty: all others; null: not set."),
    ]
    is_open: Annotated[bool, Meta(description="By metadata: of hours that are not closed yet.")]
    num_model_requests: Annotated[int, Meta(description="Calls that were charged, reversed ones included.")]
    input_tokens: Annotated[int, Meta(description="With cached ones.")]
    output_tokens: int
    input_cached_tokens: Annotated[int, Meta(description="Where they are charged at a price of their own.")]
    quantities: Annotated[
        dict[str, int],
        Meta(description="As charged, by item; a part charged apart is not in its whole."),
    ]
    amount: UsageAmountPayload
    saved: Annotated[
        Digits | None,
        Meta(description="By offers and trials, against the list price; null where none is known."),
    ]


class UsageBucketPayload(msgspec.Struct, frozen=True):
    """What was used in an hour, day or month."""

    start_time: UnixSeconds
    end_time: UnixSeconds
    results: list[UsageResultPayload]
    object: Literal["bucket"] = "bucket"


class UsagePagePayload(msgspec.Struct, frozen=True):
    """A page of buckets, oldest first."""

    data: list[UsageBucketPayload]
    has_more: bool
    next_page: Annotated[str | None, Meta(description="`page` of the next page; null on the last.")]
    object: Literal["page"] = "page"


class UsageSummaryPayload(msgspec.Struct, frozen=True):
    """What was used in a span, in all."""

    start_time: UnixSeconds
    end_time: UnixSeconds
    results: list[UsageResultPayload]
    amount: UsageAmountPayload


def bill_payload(bill: HourlyBill) -> BillPayload:
    """Return the payload of a bill."""
    return BillPayload(
        bill.number, bill.customer_code, bill.hour_id, bill.issued_at, bill.records, plain(bill.amount)
    )


def bill_with_lines_payload(bill: HourlyBill, lines: Iterable[ChargeLine]) -> BillWithLinesPayload:
    """Return the payload of a bill and of its lines."""
    return BillWithLinesPayload(
        bill.number,
        bill.customer_code,
        bill.hour_id,
        bill.issued_at,
        bill.records,
        plain(bill.amount),
        str(bill.sealed_in.seal),
        [line_payload(line) for line in lines],
    )


def seal_payload(seal: HourSeal) -> SealPayload:
    """Return the payload of a seal; its hour is read with it."""
    return SealPayload(seal.hour_id, str(seal), seal.hour.closed_at)


def result_payload(row: UsageRow) -> UsageResultPayload:
    """Return the payload of a group's usage."""
    group, used = row.group, row.measured
    return UsageResultPayload(
        service=group.service or None,
        billing_item=Measure(group.measure) if group.measure else None,
        value=group.value,
        is_open=group.is_open,
        num_model_requests=row.calls,
        input_tokens=_tokens(used, *whole_and_parts(Measure.INPUT_TOKENS)),
        output_tokens=_tokens(used, *whole_and_parts(Measure.OUTPUT_TOKENS)),
        input_cached_tokens=_tokens(used, Measure.CACHED_INPUT_TOKENS),
        quantities={measure: int(quantity) for measure, quantity in used.items()},
        amount=UsageAmountPayload(plain(row.amount)),
        saved=None if row.saved is None else plain(row.saved),
    )


def bucket_payload(begins: dt.datetime, ends: dt.datetime, rows: list[UsageRow]) -> UsageBucketPayload:
    """Return the payload of a bucket."""
    return UsageBucketPayload(_seconds(begins), _seconds(ends), [result_payload(row) for row in rows])


def summary_payload(begins: dt.datetime, ends: dt.datetime, rows: list[UsageRow]) -> UsageSummaryPayload:
    """Return the payload of a span."""
    total = exact_sum(row.amount for row in rows)
    results = [result_payload(row) for row in rows]
    return UsageSummaryPayload(_seconds(begins), _seconds(ends), results, UsageAmountPayload(plain(total)))


def _tokens(used: dict[str, Decimal], *measures: Measure) -> int:
    return int(sum((used.get(measure, NOTHING) for measure in measures), NOTHING))


def _seconds(instant: dt.datetime) -> int:
    return int(instant.timestamp())


def _parameter(name: str, description: str, **schema: Any) -> OpenApiParameter:
    required = bool(schema.pop("required", False))
    return OpenApiParameter(name, {"type": "string", **schema}, required=required, description=description)


_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": LATEST}
_SINCE = "Hours that begin at this instant or later, in Unix seconds"
_UNTIL = "Hours that begin before this instant, in Unix seconds"
NUMBER = OpenApiParameter(
    "number", {"type": "string"}, location=OpenApiParameter.PATH, description="The bill's number."
)
_HOURS = [
    _parameter("start_time", f"{_SINCE}.", **_SECONDS),
    _parameter("end_time", f"{_UNTIL}.", **_SECONDS),
    _parameter(
        "limit",
        "How many entries a page holds.",
        type="integer",
        minimum=1,
        maximum=MOST_RECORDS,
        default=ROWS_A_PAGE,
    ),
]
_SPAN = [CUSTOMER, *_HOURS, _parameter("service", "With lines of this service only.")]
_AFTER = "`next` of the page before; without it, the first page."
SEALS = [*_HOURS, _parameter("after", _AFTER, pattern=BILL_CURSOR)]
BILLS = [*_SPAN, _parameter("after", _AFTER, pattern=BILL_CURSOR)]
LINES = [
    *_SPAN,
    _parameter("bill", "Lines of the bill of this number only."),
    _parameter("after", _AFTER, pattern=LINE_CURSOR),
]
SUMMARY = [
    CUSTOMER,
    _parameter("start_time", f"{_SINCE}.", required=True, **_SECONDS),
    _parameter(
        "end_time",
        f"{_UNTIL}; without it, until now.",
        **_SECONDS,
    ),
    _parameter(
        "group_by",
        "Service, billing item, or a name in the metadata of calls, as the installation has them. `key` and "
        "`api_key_id` stand for `api_key`: the caller's key, as the metadata names it.",
        enum=list(groupings()),
        default="service",
    ),
]
USAGE = [
    *SUMMARY,
    _parameter(
        "bucket_width",
        "Days and months are those of the customer's clock. The first bucket is that of `start_time`.",
        enum=list(WIDTHS),
        default="1d",
    ),
    _parameter(
        "limit",
        "How many buckets a page holds: "
        + "; ".join(f"for {width} {usual}, at most {most}" for width, (usual, most) in BUCKETS.items())
        + ".",
        type="integer",
        minimum=1,
    ),
    _parameter("page", "`next_page` of the page before; without it, the first page.", pattern=BILL_CURSOR),
]

_REFUSALS = {
    400: "A parameter cannot be read, is unknown, or is given twice; each is named with its reason.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such customer or bill, or the key may not see it.",
    503: "The database is unavailable; retry after Retry-After seconds.",
}


def answers(
    description: str, schema: str, *, csv: bool = True, of_a_customer: bool = True
) -> dict[Any, OpenApiResponse]:
    """Return the responses of an endpoint; success also as CSV, for `Accept: text/csv`.

    What is of no customer is always found.
    """
    found: dict[Any, OpenApiResponse] = {(200, "application/json"): answer(description, schema_ref(schema))}
    if csv:
        found[200, "text/csv"] = OpenApiResponse(OpenApiTypes.STR, f"{description} As CSV.")
    return found | {
        (status, "application/json"): answer(why, schema_ref("Error"))
        for status, why in _REFUSALS.items()
        if of_a_customer or status != HTTPStatus.NOT_FOUND
    }
