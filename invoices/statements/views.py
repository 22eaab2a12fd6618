"""A statement to read, print and download. Another customer's looks like one that does not exist."""

from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customers_of_person
from invoices.documents.files import pdf_or_page, workbook_or_page
from invoices.documents.page import page_context
from invoices.drilldown.csv_tables import LINE_COLUMNS, lines_of_bills
from invoices.drilldown.downloads import csv_download_or_page
from invoices.models import Statement
from invoices.statements.document import document_of
from invoices.statements.focus import FOCUS_COLUMNS, focus_rows


@never_cache
@login_required
@require_safe
def statement(request: HttpRequest, number: str) -> HttpResponse:
    """A statement, to read and to print."""
    document = document_of(_own_statement(request, number))
    with timezone.override(document.month.customer.time_zone):
        return render(request, "month.html", page_context(document))


@never_cache
@login_required
@require_safe
def statement_csv(request: HttpRequest, number: str) -> HttpResponseBase:
    """The line items of a statement's hourly bills."""
    document = document_of(_own_statement(request, number))
    rows = lines_of_bills(document.bills, time_zone=document.month.customer.time_zone)
    return csv_download_or_page(name=_name(document.number), head=LINE_COLUMNS, rows=rows)


@never_cache
@login_required
@require_safe
def statement_focus(request: HttpRequest, number: str) -> HttpResponseBase:
    """The charges of a statement in the columns of FOCUS 1.2."""
    rows = focus_rows(_own_statement(request, number))
    return csv_download_or_page(name=f"{_name(number)}-focus", head=FOCUS_COLUMNS, rows=rows)


@never_cache
@login_required
@require_safe
def statement_xlsx(request: HttpRequest, number: str) -> HttpResponseBase:
    """A statement as a workbook."""
    own = _own_statement(request, number)
    return workbook_or_page(request, name=_name(number), document=partial(document_of, own))


@never_cache
@login_required
@require_safe
def statement_pdf(request: HttpRequest, number: str) -> HttpResponseBase:
    """A statement as a PDF."""
    return pdf_or_page(name=_name(number), document=partial(document_of, _own_statement(request, number)))


def _own_statement(request: HttpRequest, number: str) -> Statement:
    statements = Statement.objects.filter(customer__in=customers_of_person(person=request.user))
    return get_object_or_404(statements.select_related("customer", "corrects"), number=number)


def _name(number: str) -> str:
    return f"statement-{number}"
