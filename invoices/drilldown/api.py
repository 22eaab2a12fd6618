"""The drill-down endpoints: the records of a charge line, and the lines of a record."""

from typing import Any, cast

from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import customer_codes
from accounts.api_keys.permissions import MayReadBilling
from invoices.drilldown.downloads import records_file
from invoices.drilldown.forms import BY_AMOUNT, RECORDS_A_PAGE, OrderQuery, RecordQuery, RecordsQuery
from invoices.drilldown.pagination import AmountCursor, RecordCursor, dearest_records, oldest_records
from invoices.drilldown.schemas import (
    AFTER,
    EVENT_ID,
    LIMIT,
    LINE_ID,
    ORDER,
    answers,
    records_payload,
    trace_payload,
)
from invoices.drilldown.trace.archived import refuse_archived, require_records
from invoices.drilldown.trace.lines import records_of
from invoices.drilldown.trace.records import trace_record
from invoices.models import ChargeLine
from sensenova_billing.lib.api.endpoint import Endpoint
from sensenova_billing.lib.api.query_params import read_query
from sensenova_billing.lib.api.schemas import CUSTOMER, answer, schema_ref


class TraceView(Endpoint):
    """An endpoint that needs the scope billing:read."""

    permission_classes = (MayReadBilling,)


class LineRecordsView(TraceView):
    """A page of the records behind a charge line."""

    @extend_schema(
        operation_id="charge_line_records",
        summary="Records of a charge line",
        tags=["tracing"],
        description=(
            "The usage records whose quantities and amounts add up to the line's, oldest first, or the "
            "largest amounts first (of a line that credits, those that credit the most). A re-rating "
            "has those of the line that it corrects, without the reversed ones."
        ),
        parameters=[LINE_ID, ORDER, AFTER, LIMIT],
        responses=answers(answer("A page.", schema_ref("LineRecords"))),
    )
    def get(self, request: Request, id: int) -> Response:
        """Authenticate, read the query, answer one page."""
        params = read_query(RecordsQuery, request.query_params)
        line = _line_for(request, id)
        require_records(line)
        found, next_after = _page(line, params)
        return Response(records_payload(line=line, records=found, next_after=next_after))


class LineRecordsFileView(TraceView):
    """All records behind a charge line."""

    @extend_schema(
        operation_id="charge_line_records_csv",
        summary="Records of a charge line, as CSV",
        tags=["tracing"],
        description=(
            "All of them, oldest first or the largest amounts first, with a head, in UTF-8 with a byte order "
            "mark. Local times are those of the customer's clock. Text that a spreadsheet would take for a "
            "formula has an apostrophe in front; so has text that would be one without the apostrophes with "
            "which it begins. Taking one off is the reverse."
        ),
        parameters=[LINE_ID, ORDER],
        responses=answers(OpenApiResponse(cast(Any, OpenApiTypes.STR), "The file."), media_type="text/csv"),
    )
    def get(self, request: Request, id: int) -> HttpResponseBase:
        """Authenticate, answer the file."""
        params = read_query(OrderQuery, request.query_params)
        line = _line_for(request, id)
        require_records(line)
        return records_file(line=line, is_by_amount=params["order"] == BY_AMOUNT)


class RecordView(TraceView):
    """A record and the lines on which it is billed and corrected."""

    @extend_schema(
        operation_id="trace_record",
        summary="Lines of a record",
        tags=["tracing"],
        description="A usage record, and its part of every charge line on which it is billed or corrected.",
        parameters=[CUSTOMER, EVENT_ID],
        responses=answers(answer("The record.", schema_ref("RecordTrace"))),
    )
    def get(self, request: Request) -> Response:
        """Authenticate, read the query, answer."""
        params = read_query(RecordQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        found = trace_record(customer=customer, event_id=params["event_id"])
        if found is None:
            refuse_archived(customer=customer, event_id=params["event_id"])
            raise Http404
        return Response(trace_payload(customer=customer.code, found=found))


def _page(line: ChargeLine, params: dict[str, Any]) -> tuple[list[Any], RecordCursor | AmountCursor | None]:
    """Return a page of the line's records, and the key of the next page."""
    records, size = records_of(line=line), int(params["limit"] or RECORDS_A_PAGE)
    if params["order"] == BY_AMOUNT:
        dearest = dearest_records(records=records, size=size, after=params["after"])
        return dearest.records, dearest.after
    oldest = oldest_records(records=records, size=size, newer_than=params["after"])
    return oldest.records, oldest.newest if oldest.has_newer else None


def _line_for(request: Request, pk: int) -> ChargeLine:
    """Return the line, if the key may see it; another's looks like one that does not exist."""
    lines = ChargeLine.objects.select_related("bill__customer", "corrects__bill", "package")
    codes = customer_codes(key=key_of(request))
    if codes is not None:
        lines = lines.filter(bill__customer__code__in=codes)
    return get_object_or_404(lines, pk=pk)
