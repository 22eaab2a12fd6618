"""The endpoints of bills, charge lines, seals and usage.

Another customer's look like those that do not exist.
"""

import datetime as dt
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import customer_codes
from accounts.api_keys.permissions import MayReadBilling
from accounts.models import Customer
from invoices.drilldown.bill_lists import explained, in_order_of_page
from invoices.drilldown.csv_tables import LINE_COLUMNS, line_rows
from invoices.drilldown.schemas import line_payload
from invoices.models import ChargeLine, HourlyBill, HourSeal
from invoices.seals.seal_list import HEAD as SEAL_COLUMNS
from invoices.seals.seal_list import hour_text
from invoices.usage_report import schemas
from invoices.usage_report.queries import (
    BUCKETS,
    ROWS_A_PAGE,
    WIDTHS,
    BillsQuery,
    LinesQuery,
    SealsQuery,
    UsageQuery,
    UsageSummaryQuery,
)
from invoices.usage_report.read import Usage, read_usage
from invoices.usage_report.spans import Span, Width
from invoices.usage_report.table import file_head, file_rows, units_of
from pricing.files.csv import Cell, write_csv
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint
from sensenova_billing.lib.api.query_params import NoQuery, read_query

BILL_COLUMNS = ("bill", "customer", "hour_utc", "issued_utc", "calls", "amount_rmb")
_CSV = " With `Accept: text/csv` the page is CSV, and `Link` names the next one."


class ReadEndpoint(Endpoint):
    """An endpoint that needs the scope billing:read."""

    permission_classes = (MayReadBilling,)


class BillsView(ReadEndpoint):
    """A page of a customer's bills."""

    @extend_schema(
        operation_id="bills",
        summary="Bills of a customer",
        tags=["bills"],
        description="One for each hour with usage, oldest first." + _CSV,
        parameters=schemas.BILLS,
        responses=schemas.answers("A page.", "Bills"),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Authenticate, read the query, answer one page."""
        params = read_query(BillsQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        bills = HourlyBill.objects.filter(_within(params, "hour_id"), customer=customer)
        if params["service"]:
            lines = ChargeLine.objects.filter(bill=OuterRef("pk"), service_name=params["service"])
            bills = bills.filter(Exists(lines))
        if params["after"]:
            bills = bills.filter(hour_id__gt=_instant(params["after"]))
        found, is_more = _page(bills.order_by("hour_id"), params["limit"])
        after = f"{int(found[-1].hour_id.timestamp())}" if is_more else None
        if _wants_csv(request):
            return _csv(request, BILL_COLUMNS, [_bill_row(bill) for bill in found], after=after)
        return Response(schemas.BillsPayload([schemas.bill_payload(bill) for bill in found], after))


class BillView(ReadEndpoint):
    """A bill with its lines."""

    @extend_schema(
        operation_id="bill",
        summary="A bill with its charge lines",
        tags=["bills"],
        description="Its amount is exactly the sum of its lines. With `Accept: text/csv` the lines are CSV.",
        parameters=[schemas.NUMBER],
        responses=schemas.answers("The bill.", "BillWithLines"),
    )
    def get(self, request: Request, number: str) -> HttpResponseBase:
        """Authenticate, answer the bill."""
        read_query(NoQuery, request.query_params)
        bills = HourlyBill.objects.select_related("customer", "sealed_in__seal")
        codes = customer_codes(key=key_of(request))
        if codes is not None:
            bills = bills.filter(customer__code__in=codes)
        bill = get_object_or_404(bills, number=number.replace("\0", ""))
        lines = list(in_order_of_page(bill.lines.all()))
        if _wants_csv(request):
            return _csv(request, LINE_COLUMNS, list(line_rows(lines, time_zone=bill.customer.time_zone)))
        return Response(schemas.bill_with_lines_payload(bill, lines))


class ChargeLinesView(ReadEndpoint):
    """A page of a customer's charge lines."""

    @extend_schema(
        operation_id="charge_lines",
        summary="Charge lines of a customer",
        tags=["bills"],
        description="Those of all bills of a span, in the order of the bills' hours." + _CSV,
        parameters=schemas.LINES,
        responses=schemas.answers("A page.", "ChargeLines"),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Authenticate, read the query, answer one page."""
        params = read_query(LinesQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        lines = ChargeLine.objects.filter(_within(params, "bill__hour_id"), bill__customer=customer)
        if params["service"]:
            lines = lines.filter(service_name=params["service"])
        if params["bill"]:
            lines = lines.filter(bill__number=params["bill"])
        if params["after"]:
            seconds, _, pk = params["after"].partition("-")
            hour = _instant(seconds)
            lines = lines.filter(bill__hour_id__gte=hour).filter(
                Q(bill__hour_id__gt=hour) | Q(pk__gt=int(pk))
            )
        lines = lines.select_related("bill", "corrects__bill", "package").order_by("bill__hour_id", "pk")
        found, is_more = _page(explained(lines), params["limit"])
        after = f"{int(found[-1].bill.hour_id.timestamp())}-{found[-1].pk}" if is_more else None
        if _wants_csv(request):
            rows = list(line_rows(found, time_zone=customer.time_zone))
            return _csv(request, LINE_COLUMNS, rows, after=after)
        return Response(schemas.ChargeLinesPayload([line_payload(line) for line in found], after))


class SealsView(ReadEndpoint):
    """A page of the seals of closed hours."""

    @extend_schema(
        operation_id="seals",
        summary="Seals of closed hours",
        tags=["bills"],
        description=(
            "The SHA-256 over all that was billed with the closing of an hour and over the seal before, "
            "oldest first. Keep them: if a bill is ever doubted, the books must still give the same seals. "
            "With `Accept: text/csv` the page is a list for `verify_books --seals`; `Link` names the next."
        ),
        parameters=schemas.SEALS,
        responses=schemas.answers("A page.", "Seals", of_a_customer=False),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Authenticate, read the query, answer one page."""
        params = read_query(SealsQuery, request.query_params)
        seals = HourSeal.objects.filter(_within(params, "hour_id")).select_related("hour")
        if params["after"]:
            seals = seals.filter(hour_id__gt=_instant(params["after"]))
        found, is_more = _page(seals.order_by("hour_id"), params["limit"])
        after = f"{int(found[-1].hour_id.timestamp())}" if is_more else None
        if _wants_csv(request):
            rows: list[list[Cell]] = [[hour_text(seal.hour_id), str(seal)] for seal in found]
            return _csv(request, SEAL_COLUMNS, rows, after=after)
        return Response(schemas.SealsPayload([schemas.seal_payload(seal) for seal in found], after))


class UsageReportView(ReadEndpoint):
    """A page of a customer's usage in buckets."""

    @extend_schema(
        operation_id="usage",
        summary="Usage of a customer",
        tags=["bills"],
        description=(
            "In hours, days or months, oldest first, by service, billing item or metadata. Amounts are those "
            "of charge lines, and of open hours as they would be billed; late calls and corrections are in "
            "the hour whose bill has them. Groups add up to the bills." + _CSV
        ),
        parameters=schemas.USAGE,
        responses=schemas.answers("A page.", "UsagePage"),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Authenticate, read the query, answer one page."""
        params = read_query(UsageQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        now = clock.now()
        width = params["bucket_width"] or "1d"
        size = params["limit"] or BUCKETS[width][0]
        begins, ends = params["start_time"], params["end_time"] or now
        begins = max(begins, _instant(params["page"])) if params["page"] else begins
        span, after = _span_of_page(customer, WIDTHS[width], begins, ends, size=size)
        usage = read_usage(customer=customer, span=span, group_by=params["group_by"], now=now)
        if _wants_csv(request):
            return _usage_csv(request, usage, span, params["group_by"], after=after)
        buckets = span.buckets()
        data = [
            schemas.bucket_payload(
                bucket, span.after(bucket), [row for row in usage.rows if row.begins == bucket]
            )
            for bucket in buckets
        ]
        return Response(schemas.UsagePagePayload(data, has_more=after is not None, next_page=after))


class UsageSummaryView(ReadEndpoint):
    """A customer's usage of a span, in all."""

    @extend_schema(
        operation_id="usage_summary",
        summary="Usage of a customer in all",
        tags=["bills"],
        description="The same as a single bucket. With `Accept: text/csv` it is CSV.",
        parameters=schemas.SUMMARY,
        responses=schemas.answers("The totals.", "UsageSummary"),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Authenticate, read the query, answer."""
        params = read_query(UsageSummaryQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        now = clock.now()
        begins, ends = params["start_time"], params["end_time"] or now
        zone = ZoneInfo(customer.time_zone)
        span = Span(begins, ends, Width.SPAN, zone)
        usage = read_usage(customer=customer, span=span, group_by=params["group_by"], now=now)
        if _wants_csv(request):
            return _usage_csv(request, usage, span, params["group_by"])
        return Response(schemas.summary_payload(begins, ends, usage.rows))


def _within(params: dict[str, Any], column: str) -> Q:
    within = Q()
    if params["start_time"]:
        within &= Q(**{f"{column}__gte": params["start_time"]})
    if params["end_time"]:
        within &= Q(**{f"{column}__lt": params["end_time"]})
    return within


def _page(rows: QuerySet[Any], limit: int | None) -> tuple[list[Any], bool]:
    size = limit or ROWS_A_PAGE
    found = list(rows[: size + 1])  # one more tells whether there are more
    return found[:size], len(found) > size


def _span_of_page(
    customer: Customer, width: Width, begins: dt.datetime, ends: dt.datetime, *, size: int
) -> tuple[Span, str | None]:
    """Return the span of so many buckets, and the beginning of the next one if there is one."""
    zone = ZoneInfo(customer.time_zone)
    whole = Span(begins, ends, width, zone)
    until = whole.bucket_of(begins)
    for _ in range(size):
        until = whole.after(until)
    span = Span(begins, min(ends, until), width, zone)
    return span, f"{int(until.timestamp())}" if until < ends else None


def _instant(seconds: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)


def _wants_csv(request: Request) -> bool:
    return "text/csv" in request.headers.get("Accept", "")


def _usage_csv(
    request: Request, usage: Usage, span: Span, group_by: str, *, after: str | None = None
) -> HttpResponse:
    units = units_of(usage)
    rows = list(file_rows(usage, span=span, group_by=group_by, units=units))
    return _csv(request, file_head(group_by, units), rows, after=after, name="page")


def _csv(
    request: Request, head: Any, rows: list[list[Cell]], *, after: str | None = None, name: str = "after"
) -> HttpResponse:
    file = BytesIO()
    write_csv(to=file, head=head, rows=rows)
    response = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
    if after is not None:
        query = urlencode({**request.query_params.dict(), name: after})
        response.headers["Link"] = f'<{request.build_absolute_uri(request.path)}?{query}>; rel="next"'
    return response


def _bill_row(bill: HourlyBill) -> list[Cell]:
    instants = (_utc(bill.hour_id), _utc(bill.issued_at))
    return [bill.number, bill.customer_code, *instants, bill.records, bill.amount]


def _utc(instant: dt.datetime) -> str:
    return f"{instant.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
