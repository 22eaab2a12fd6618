"""A customer's tax invoices: the list, a request and its state. Owners and finance request and withdraw."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_keys.customer_access import customer_of_finance, customer_of_person, is_finance
from accounts.customer_page import customer_page
from accounts.models import Customer
from invoices.einvoices.forms import EInvoiceForm
from invoices.einvoices.requests import (
    MOST_STATEMENTS,
    EInvoiceRefused,
    request_einvoice,
    statements_to_invoice,
    superseded_on,
    withdraw_einvoice,
)
from invoices.einvoices.tax_data import problems_of, tax_data_of
from invoices.models import EInvoiceRequest, EInvoiceState
from invoices.packages.forms import PageForm
from invoices.packages.pagination import newest_first
from sensenova_billing.lib import clock

REQUESTS_A_PAGE = 50


@never_cache
@login_required
@require_safe
def customer_einvoices(request: HttpRequest, code: str) -> HttpResponse:
    """A page of requests, newest first."""
    customer = customer_of_person(person=request.user, code=code)
    form = PageForm(request.GET)
    page = newest_first(_requests_of(customer), size=REQUESTS_A_PAGE, **form.keys())
    context = {
        "requests": page.rows,
        "page": page,
        "form": form,
        "may_request": is_finance(person=request.user, customer=customer),
        "has_statements": statements_to_invoice(customer).exists(),
    }
    return customer_page(request, "einvoices.html", customer, context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def request_new_einvoice(request: HttpRequest, code: str) -> HttpResponse:
    """Show the buyer's data as they are, ask which statements, and request their invoice."""
    customer = customer_of_finance(person=request.user, code=code)
    offered = list(statements_to_invoice(customer)[:MOST_STATEMENTS])
    form = EInvoiceForm(request.POST if request.method == "POST" else None, offered=offered)
    if form.is_valid():
        numbers, remarks = form.cleaned_data["statements"], form.cleaned_data["remarks"]
        by = request.user.get_username()
        try:
            made = request_einvoice(
                customer=customer, numbers=numbers, remarks=remarks, by=by, now=clock.now()
            )
        except EInvoiceRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            words = gettext("%(number)s is requested; its state is shown here.")
            messages.success(request, words % {"number": made.number})
            return redirect("customer_einvoice", customer.code, made.pk)
    context = {
        "form": form,
        "problems": problems_of(customer),
        "buyer": EInvoiceRequest(**tax_data_of(customer)),
    }
    status = 400 if form.errors else 200
    return customer_page(request, "request_einvoice.html", customer, context, status=status)


@never_cache
@login_required
@require_safe
def customer_einvoice(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """A request: buyer, statements, and what became of it."""
    customer = customer_of_person(person=request.user, code=code)
    found = get_object_or_404(_requests_of(customer), pk=pk)
    is_waiting = found.state == EInvoiceState.REQUESTED
    context = {
        "einvoice": found,
        "superseded": superseded_on(found),
        "may_withdraw": is_waiting and is_finance(person=request.user, customer=customer),
    }
    return customer_page(request, "einvoice.html", customer, context)


@never_cache
@login_required
@require_POST
def withdraw(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Withdraw a request."""
    customer = customer_of_finance(person=request.user, code=code)
    found = get_object_or_404(customer.einvoice_requests, pk=pk)
    try:
        withdraw_einvoice(request=found, by=request.user.get_username(), now=clock.now())
    except EInvoiceRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, gettext("%(number)s is withdrawn.") % {"number": found.number})
    return redirect("customer_einvoice", customer.code, pk)


def _requests_of(customer: Customer) -> QuerySet[EInvoiceRequest]:
    return customer.einvoice_requests.prefetch_related("items__statement__corrected_by")
