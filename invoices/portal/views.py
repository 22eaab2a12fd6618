"""A customer's bills, and a bill. Those of another customer are 404."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person, customers_of_person
from accounts.models import Customer
from invoices.documents.months import months_of
from invoices.drilldown.bill_lists import BillRow, Selection, in_order_of_page
from invoices.drilldown.csv_tables import (
    BILL_COLUMNS,
    LINE_COLUMNS,
    bill_rows,
    line_rows,
    selected_line_rows,
)
from invoices.drilldown.downloads import csv_download_or_page
from invoices.models import ChargeLine, HourlyBill
from invoices.portal.forms import KEY_FORMAT, BillsForm, SelectionForm
from invoices.templatetags.amounts import decimals_of
from pricing.models import Service
from pricing.rules.amounts import exact_sum
from usage.models import ArchivedEvent, UsageRecord

BILLS_A_PAGE = 50


@never_cache
@login_required
@require_safe
def customer_bills(request: HttpRequest, code: str) -> HttpResponse:
    """The customer's bills, newest first: all, or those of a span of days and of a service."""
    customer = customer_of_person(person=request.user, code=code)
    form = BillsForm(request.GET, services=_services())
    return _bills_response(request, customer=customer, form=form)


@never_cache
@login_required
@require_safe
def customer_bills_csv(request: HttpRequest, code: str) -> HttpResponseBase:
    """All bills of the span, as `customer_bills` shows them page by page."""
    customer = customer_of_person(person=request.user, code=code)
    form = SelectionForm(request.GET, services=_services())
    if not form.is_valid():
        return _bills_response(request, customer=customer, form=form)
    rows = bill_rows(form.selection(customer))
    return csv_download_or_page(name=_file_name("bills", customer, form), head=BILL_COLUMNS, rows=rows)


@never_cache
@login_required
@require_safe
def customer_lines_csv(request: HttpRequest, code: str) -> HttpResponseBase:
    """All charge lines of the bills of the span."""
    customer = customer_of_person(person=request.user, code=code)
    form = SelectionForm(request.GET, services=_services())
    if not form.is_valid():
        return _bills_response(request, customer=customer, form=form)
    rows = selected_line_rows(form.selection(customer))
    return csv_download_or_page(name=_file_name("charge-lines", customer, form), head=LINE_COLUMNS, rows=rows)


@never_cache
@login_required
@require_safe
def bill(request: HttpRequest, number: str) -> HttpResponse:
    """A bill with its lines, grouped by service."""
    found = _own_bill(request, number)
    lines = _lines(found)
    reversals = _reversals(found) if any(line.correction for line in lines) else 0
    with timezone.override(found.customer.time_zone):
        context = {
            "customer": found.customer,
            "bill": found,
            "sections": _by_service(lines),
            "price_decimals": decimals_of(line.unit_price for line in lines),
            "amount_decimals": decimals_of([found.amount, *(line.amount for line in lines)]),
            "has_late_lines": any(line.is_late for line in lines),
            "has_covered_lines": any(line.package_id for line in lines),
            "has_corrections": any(line.correction for line in lines),
            "corrected_on": sorted({number for line in lines for number in line.corrected_on}),
            "reversals": reversals,
            "calls": found.records - reversals,
        }
        return render(request, "bill.html", context)


@never_cache
@login_required
@require_safe
def bill_csv(request: HttpRequest, number: str) -> HttpResponseBase:
    """A bill's lines."""
    found = _own_bill(request, number)
    rows = line_rows(_lines(found), time_zone=found.customer.time_zone)
    return csv_download_or_page(name=found.number, head=LINE_COLUMNS, rows=rows)


def _own_bill(request: HttpRequest, number: str) -> HourlyBill:
    bills = HourlyBill.objects.filter(customer__in=customers_of_person(person=request.user))
    return get_object_or_404(bills.select_related("customer", "sealed_in__seal"), number=number)


def _lines(found: HourlyBill) -> list[Any]:
    return list(in_order_of_page(found.lines.all()))


def _reversals(found: HourlyBill) -> int:
    """Return how many of the bill's records are reversals, archived or not."""
    reversals = {
        "customer": found.customer_id,
        "billing_hour": found.hour_id,
        "reverses__isnull": False,
    }
    here = UsageRecord.objects.filter(**reversals).count()
    return here or ArchivedEvent.objects.filter(**reversals).count()


@dataclass(frozen=True)
class ServiceLines:
    """The lines of one service on a bill."""

    service: str
    service_id: int
    lines: list[ChargeLine]
    amount: Decimal
    is_free_trial: bool


def _by_service(lines: list[ChargeLine]) -> list[ServiceLines]:
    by_service = groupby(lines, key=lambda line: (line.service_name, line.service_id))
    return [_service_lines(service, service_id, list(group)) for (service, service_id), group in by_service]


def _service_lines(service: str, service_id: int, lines: list[ChargeLine]) -> ServiceLines:
    return ServiceLines(
        service=service,
        service_id=service_id,
        lines=lines,
        amount=exact_sum(line.amount for line in lines),
        is_free_trial=all(line.is_free_trial for line in lines),
    )


@dataclass(frozen=True)
class BillsPage:
    """Some bills, newest first, and the keys of the pages next to them."""

    bills: list[BillRow]
    newer_than: str | None = None
    older_than: str | None = None


def _services() -> list[Service]:
    return list(Service.objects.select_related("group").order_by("group__position", "position", "pk"))


def _bills_response(request: HttpRequest, *, customer: Customer, form: SelectionForm) -> HttpResponse:
    """Answer with the page of bills for this query; 400 with what is wrong with it."""
    is_valid = form.is_valid()
    page = _bills_page(form=form, selection=form.selection(customer)) if is_valid else BillsPage([])
    months = months_of(customer=customer, before=form.cleaned_data.get("months_before"))
    with timezone.override(customer.time_zone):
        context = {
            "customer": customer,
            "form": form,
            "page": page,
            "months": months,
            "month_decimals": decimals_of(month.amount for month in months.months),
            "amount_decimals": decimals_of(bill.amount for bill in page.bills),
            "selected": urlencode(form.selected()),
        }
        return render(request, "bills.html", context, status=200 if is_valid else 400)


def _bills_page(*, form: SelectionForm, selection: Selection) -> BillsPage:
    bills = selection.bills()
    older, newer = (form.cleaned_data.get(name) for name in ("older_than", "newer_than"))
    if newer:
        # One more than a page holds tells whether there is another page beyond it.
        bills = bills.filter(hour_id__gt=newer).order_by("hour_id")
    elif older:
        bills = bills.filter(hour_id__lt=older)
    found = [BillRow(*row) for row in selection.rows(bills)[: BILLS_A_PAGE + 1]]
    shown, is_more = found[:BILLS_A_PAGE], len(found) > BILLS_A_PAGE
    if newer:
        shown.reverse()
    has_newer = is_more if newer else bool(older and shown)
    has_older = bool(shown) if newer else is_more
    return BillsPage(
        bills=shown,
        newer_than=f"{shown[0].hour_id:{KEY_FORMAT}}" if has_newer else None,
        older_than=f"{shown[-1].hour_id:{KEY_FORMAT}}" if has_older else None,
    )


def _file_name(what: str, customer: Customer, form: SelectionForm) -> str:
    """Return e.g. `bills-acme-from-2026-11-01-to-2026-11-30`."""
    span = [f"{name}-{form.cleaned_data[name]}" for name in ("from", "to") if form.cleaned_data[name]]
    return "-".join([what, customer.code, *span])
