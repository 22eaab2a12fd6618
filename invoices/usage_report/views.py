"""A customer's usage page, and the files of what it shows. Those of another customer are 404."""

from functools import partial
from typing import IO, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person
from accounts.models import Customer
from invoices.drilldown.downloads import csv_download_or_page, download_or_page
from invoices.templatetags.amounts import decimals_of
from invoices.usage_report.charts import Bar, stacked
from invoices.usage_report.forms import UsageForm, groupings
from invoices.usage_report.read import ITEM, NOTHING, SERVICE, Usage, read_usage
from invoices.usage_report.spans import DAY, Span, Width
from invoices.usage_report.table import BucketRow, UsageTable, file_head, file_rows, table_of
from pricing.files.xlsx import Table, write_tables
from sensenova_billing.lib import clock
from sensenova_billing.lib.database.replica import reading_replica

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@never_cache
@login_required
@require_safe
def customer_usage(request: HttpRequest, code: str) -> HttpResponse:
    """What was used in a span: a chart, the groups, and hours, days or months."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    form = UsageForm(request.GET, zone=ZoneInfo(customer.time_zone), now=now)
    context: dict[str, Any] = {"customer": customer, "form": form}
    if form.is_valid():
        span = form.span()
        with reading_replica():
            usage = read_usage(customer=customer, span=span, group_by=form.group_by, now=now)
        with timezone.override(customer.time_zone):
            table = table_of(usage, span=span, now=now)
            context |= _shown(customer, form, usage, table, span=span)
    with timezone.override(customer.time_zone):
        return render(request, "usage.html", context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_safe
def customer_usage_csv(request: HttpRequest, code: str) -> HttpResponseBase:
    """What the page shows, as CSV."""
    return _file(request, code, extension="csv")


@never_cache
@login_required
@require_safe
def customer_usage_xlsx(request: HttpRequest, code: str) -> HttpResponseBase:
    """What the page shows, as an Excel workbook."""
    return _file(request, code, extension="xlsx")


def _file(request: HttpRequest, code: str, *, extension: str) -> HttpResponseBase:
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    form = UsageForm(request.GET, zone=ZoneInfo(customer.time_zone), now=now)
    if not form.is_valid():
        return customer_usage(request, code)
    span = form.span()
    with reading_replica():
        usage = read_usage(customer=customer, span=span, group_by=form.group_by, now=now)
    units = table_of(usage, span=span, now=now).units
    head = file_head(form.group_by, units)
    rows = list(file_rows(usage, span=span, group_by=form.group_by, units=units))
    name = f"usage-{customer.code}-{span.first}-to-{span.last}-by-{form.group_by}"
    if extension == "csv":
        return csv_download_or_page(name=name, head=head, rows=rows)
    write = partial(_write_workbook, Table("Usage", head, rows))
    return download_or_page(name=f"{name}.xlsx", content_type=XLSX, write=write)


def _write_workbook(table: Table, to: IO[bytes]) -> None:
    write_tables(to=to, tables=[table])


def _shown(
    customer: Customer, form: UsageForm, usage: Usage, table: UsageTable, *, span: Span
) -> dict[str, Any]:
    rows = [(bucket, _link(bucket, customer, form, usage, span=span)) for bucket in table.buckets]
    bars = [
        Bar(bucket.short, bucket.label, link=link, is_open=bucket.is_open and bool(bucket.sum.amount))
        for bucket, link in rows
    ]
    columns = [
        (column.label, column.series, [bucket.cells[place] or NOTHING for bucket in table.buckets])
        for place, column in enumerate(table.groups)
    ]
    return {
        "span": span,
        "table": table,
        "rows": rows[::-1],
        "units": [(unit, gettext(unit).capitalize()) for unit in table.units],
        "chart": stacked(bars, series=columns),
        "grouping": dict(groupings())[form.group_by],
        "groupings": [(words, _query(span, name), name == form.group_by) for name, words in groupings()],
        "selected": _query(span, form.group_by),
        "group_by": form.group_by,
        "is_metadata": form.group_by not in (SERVICE, ITEM),
        "as_of": max((hour.as_of for hour in usage.open_hours if hour.as_of), default=None),
        "amount_decimals": decimals_of(
            [row.amount for row in usage.rows] + [group.sum.amount for group in table.groups]
        ),
        "saved_decimals": decimals_of(row.saved for row in usage.rows if row.saved is not None),
    }


def _link(bucket: BucketRow, customer: Customer, form: UsageForm, usage: Usage, *, span: Span) -> str:
    """Return what a bucket stands for: the days of a month, the hours of a day, the bill of an hour."""
    if not bucket.sum.calls and not bucket.sum.amount:
        return ""
    if span.width is Width.HOUR:
        number = usage.bills.get(bucket.begins)
        return reverse("bill", args=[number]) if number else ""
    narrower = Width.DAY if span.width is Width.MONTH else Width.HOUR
    first = last = bucket.begins.astimezone(span.zone).date()
    if span.width is Width.MONTH:
        last = min((first + 31 * DAY).replace(day=1) - DAY, span.last)
    inner = Span.of_days(max(first, span.first), last, width=narrower, zone=span.zone)
    return f"{reverse('customer_usage', args=[customer.code])}?{_query(inner, form.group_by)}"


def _query(span: Span, group_by: str) -> str:
    return urlencode({"from": span.first, "to": span.last, "width": span.width, "by": group_by})
