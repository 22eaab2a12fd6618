"""A customer's pages that explain an amount: the calls behind a charge line, and the lines of a call."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person, customers_of_person
from invoices.drilldown.bill_lists import explained
from invoices.drilldown.downloads import records_file_or_page
from invoices.drilldown.forms import BY_AMOUNT, DearestForm, FindCallForm, RecordsForm
from invoices.drilldown.trace.archived import archive_behind, find_archived
from invoices.drilldown.trace.lines import records_of
from invoices.drilldown.trace.records import trace_record
from invoices.models import ChargeLine
from invoices.templatetags.amounts import decimals_of
from usage.ingest.reversals import reason_of


@never_cache
@login_required
@require_safe
def charge_line(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    """A charge line with the calls behind it: the newest first, or the dearest."""
    line = _own_line(request, number, pk)
    form = DearestForm(request.GET) if _is_by_amount(request) else RecordsForm(request.GET)
    page = form.read(records_of(line=line))
    customer = line.bill.customer
    with timezone.override(customer.time_zone):
        context = {
            "customer": customer,
            "line": line,
            "form": form,
            "page": page,
            "is_archived": archive_behind(line, found=page.records) is not None,
            "is_by_amount": _is_by_amount(request),
            "corrections": line.corrections.select_related("bill").order_by("pk"),
            "amount_decimals": decimals_of(record.amount for record in page.records),
        }
        return render(request, "charge_line.html", context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_safe
def charge_line_csv(request: HttpRequest, number: str, pk: int) -> HttpResponseBase:
    """All calls behind a charge line, in the order of the page."""
    return records_file_or_page(line=_own_line(request, number, pk), is_by_amount=_is_by_amount(request))


@never_cache
@login_required
@require_safe
def customer_record(request: HttpRequest, code: str) -> HttpResponse:
    """A call by its event id, and the lines on which it is billed and corrected."""
    customer = customer_of_person(person=request.user, code=code)
    form = FindCallForm(request.GET if "event_id" in request.GET else None)
    found = trace_record(customer=customer, **form.cleaned_data) if form.is_valid() else None
    archived = (
        find_archived(customer=customer, **form.cleaned_data) if form.is_valid() and not found else None
    )
    shares = [*found.lines, *found.corrections] if found else []
    reversal = found.reversal.record if found and found.reversal else None
    with timezone.override(customer.time_zone):
        context = {
            "customer": customer,
            "form": form,
            "found": found,
            "archived": archived,
            "reason": reason_of(reversal) if reversal else None,
            "price_decimals": decimals_of(share.line.unit_price for share in shares),
            "amount_decimals": decimals_of(share.amount for share in shares),
        }
        return render(request, "record.html", context, status=_status(form, bool(found or archived)))


def _status(form: FindCallForm, is_found: bool) -> int:
    if not form.is_bound or is_found:
        return 200
    return 404 if form.is_valid() else 400


def _is_by_amount(request: HttpRequest) -> bool:
    return request.GET.get("order") == BY_AMOUNT


def _own_line(request: HttpRequest, number: str, pk: int) -> Any:
    lines = ChargeLine.objects.filter(
        bill__customer__in=customers_of_person(person=request.user), bill__number=number
    )
    shown = explained(lines).select_related("bill__customer", "corrects__bill", "package")
    return get_object_or_404(shown, pk=pk)
