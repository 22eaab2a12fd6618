"""Documents of a customer: a month's bill to read, print and download, and a bill in print."""

from functools import partial

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person, customers_of_person
from invoices.documents.files import pdf_or_page, workbook_or_page
from invoices.documents.monthly_bill import MonthlyBill, monthly_bill
from invoices.documents.months import Month, read_month
from invoices.documents.page import page_context
from invoices.documents.parties import buyer_of, seller
from invoices.drilldown.bill_lists import Selection, in_order_of_page
from invoices.drilldown.csv_tables import LINE_COLUMNS, selected_line_rows
from invoices.drilldown.downloads import csv_download_or_page
from invoices.models import HourlyBill
from invoices.templatetags.amounts import decimals_of
from pricing.rules.amounts import plain
from sensenova_billing.lib import clock


@never_cache
@login_required
@require_safe
def customer_month(request: HttpRequest, code: str, month: str) -> HttpResponse:
    """A month's bill, to read and to print."""
    bill = _bill_now(_own_month(request, code, month))
    with timezone.override(bill.month.customer.time_zone):
        return render(request, "month.html", page_context(bill))


@never_cache
@login_required
@require_safe
def customer_month_csv(request: HttpRequest, code: str, month: str) -> HttpResponseBase:
    """The line items of a month's hourly bills."""
    found = _own_month(request, code, month)
    selection = Selection(found.customer, first_day=found.first_day, last_day=found.last_day)
    return csv_download_or_page(name=_name(found), head=LINE_COLUMNS, rows=selected_line_rows(selection))


@never_cache
@login_required
@require_safe
def customer_month_xlsx(request: HttpRequest, code: str, month: str) -> HttpResponseBase:
    """A month's bill as a workbook."""
    found = _own_month(request, code, month)
    return workbook_or_page(request, name=_name(found), document=partial(_bill_now, found))


@never_cache
@login_required
@require_safe
def customer_month_pdf(request: HttpRequest, code: str, month: str) -> HttpResponseBase:
    """A month's bill as a PDF."""
    found = _own_month(request, code, month)
    return pdf_or_page(name=_name(found), document=partial(_bill_now, found))


@never_cache
@login_required
@require_safe
def bill_print(request: HttpRequest, number: str) -> HttpResponse:
    """An hourly bill, to print."""
    bills = HourlyBill.objects.filter(customer__in=customers_of_person(person=request.user))
    bill = get_object_or_404(bills.select_related("customer"), number=number)
    lines = list(in_order_of_page(bill.lines.all()))
    with timezone.override(bill.customer.time_zone):
        context = {
            "customer": bill.customer,
            "bill": bill,
            "seller": seller(),
            "buyer": buyer_of(bill.customer),
            "lines": lines,
            "tax_percent": plain(100 * settings.TAX_RATE) if settings.TAX_RATE else None,
            "price_decimals": decimals_of(line.unit_price for line in lines),
            "amount_decimals": decimals_of([bill.amount, *(line.amount for line in lines)]),
        }
        return render(request, "bill_print.html", context)


def _own_month(request: HttpRequest, code: str, month: str) -> Month:
    customer = customer_of_person(person=request.user, code=code)
    try:
        return Month(customer, read_month(month))
    except ValueError as error:
        raise Http404 from error


def _name(month: Month) -> str:
    return f"bill-{month.customer.code}-{month}"


def _bill_now(month: Month) -> MonthlyBill:
    return monthly_bill(month=month, now=clock.now())
