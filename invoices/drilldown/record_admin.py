"""One usage record in the admin: where it is billed, and its reversal. There are far too many to list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from accounts.models import Customer
from invoices.admin_forms import ReasonForm
from invoices.drilldown.forms import FindRecordForm
from invoices.drilldown.trace import BillingState, trace_record
from invoices.models import HourlyBill, ParkedHour
from invoices.templatetags.amounts import exact, grouped, instant_text, quantities
from pricing.models import Service
from sensenova_billing.lib import clock
from usage.billing_hours import last_closed_hour
from usage.ingest.errors import AlreadyReversed, NotReversible
from usage.ingest.reversals import reason_of, reverse_record
from usage.models import UsageRecord


@never_cache
@permission_required("usage.view_usagerecord", raise_exception=True)
def usage_record(request: HttpRequest) -> HttpResponse:
    """Find one record, show where it is billed, and reverse it for a reason."""
    search_form = FindRecordForm(request.GET or None)
    record = _find(search_form)
    may_reverse = request.user.has_perm("usage.add_usagerecord")
    form = ReasonForm(request.POST or None)
    if (
        request.method == "POST"
        and record
        and may_reverse
        and form.is_valid()
        and _reverse(request, record, form)
    ):
        return redirect(_url(record.customer.code, record.event_id))
    context = {
        **admin.site.each_context(request),
        "title": "Usage records",
        "search_form": search_form,
        "record": record,
        "form": form,
        "may_reverse": may_reverse,
        "lines_url": _lines_url(request, record),
        **(_facts_of(record) if record else {}),
        **(_credit_of(record) if record and may_reverse and record.reverses is None else {}),
    }
    return render(request, "admin/usage_record.html", context)


def _find(search_form: FindRecordForm) -> UsageRecord | None:
    if not search_form.is_valid():
        return None
    code, event_id = search_form.cleaned_data["customer"], search_form.cleaned_data["event_id"]
    customer = Customer.objects.filter(code=code).first()
    if customer is None:
        search_form.add_error("customer", "There is no such customer.")
        return None
    record = (
        UsageRecord.objects.select_related("customer").filter(customer=customer, event_id=event_id).first()
    )
    if record is None:
        search_form.add_error("event_id", f"{code} has no record of this id.")
    return record


def _reverse(request: HttpRequest, record: UsageRecord, form: ReasonForm) -> bool:
    """Reverse it and say so, or say at the form why not."""
    try:
        reversal = reverse_record(
            customer=record.customer,
            event_id=record.event_id,
            reason=form.cleaned_data["reason"],
            by=request.user.get_username(),
            now=clock.now(),
        )
    except NotReversible as error:
        form.add_error(None, f"{error.message} {error.details[0]['field']}: {error.details[0]['reason']}.")
        return False
    except AlreadyReversed as error:
        form.add_error(None, f"{error.message} The reason then: {error.details[0]['stored']}")
        return False
    messages.success(
        request, f"Reversed: it is taken back on the bill of {reversal.billing_hour:%Y-%m-%d %H:%M} UTC."
    )
    return True


def _facts_of(record: UsageRecord) -> dict[str, Any]:
    """Return what the page says of a record and of what reverses it."""
    records = UsageRecord.objects.select_related("customer").filter(customer=record.customer)
    reversal = records.filter(reverses=record.event_id).first()
    return {
        "facts": _facts(record),
        "reversal": reversal,
        "reversal_facts": _facts(reversal) if reversal else [],
    }


def _credit_of(record: UsageRecord) -> dict[str, str]:
    """Return what a reversal would credit, where that is known: the record is on a bill."""
    trace = trace_record(customer=record.customer, event_id=record.event_id)
    if trace is None or trace.billing_state != BillingState.BILLED:
        return {}
    return {"credit": exact(-trace.amount)}


def _facts(record: UsageRecord) -> list[tuple[str, str]]:
    facts = [
        ("Customer", _link("admin:accounts_customer_change", record.customer_id, record.customer.code)),
        ("Event id", _record_link(record, record.event_id)),
        ("Service", str(Service.objects.filter(pk=record.service_id).first() or "unknown")),
        ("Used at (UTC)", instant_text(record.occurred_at)),
        ("Received at (UTC)", instant_text(record.received_at)),
        *((measure.label, grouped(quantity)) for measure, quantity in quantities(record)),
        ("Outcome", record.get_outcome_display() if record.outcome else "completed"),
        ("Billing hour (UTC)", f"{record.billing_hour:%Y-%m-%d %H:%M}"),
        ("Bill", _bill_of(record)),
    ]
    if record.reverses is None:
        return [*facts, *(record.metadata or {}).items()]
    return [
        *facts,
        ("Reverses", _record_link(record, record.reverses)),
        ("Reason", reason_of(record)),
        ("Reversed by", str((record.metadata or {}).get("by", ""))),
    ]


def _bill_of(record: UsageRecord) -> str:
    where = {"customer_id": record.customer_id, "hour_id": record.billing_hour}
    if bill := HourlyBill.objects.filter(**where).first():
        return _link("admin:invoices_hourlybill_change", bill.pk, bill.number)
    if parked := ParkedHour.objects.filter(**where).first():
        return _link("admin:invoices_parkedhour_change", parked.pk, "none: the hour is parked")
    last = last_closed_hour()
    is_closed = last is not None and record.billing_hour <= last
    return "none" if is_closed else "none yet: it comes when the hour closes"


def _link(route: str, key: Any, words: str) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', reverse(route, args=[key]), words)


def _record_link(record: UsageRecord, event_id: str) -> str:
    return format_html(
        '<a class="underline" href="{}">{}</a>', _url(record.customer.code, event_id), event_id
    )


def _lines_url(request: HttpRequest, record: UsageRecord | None) -> str:
    """Return where the charge lines of a record are, for a person who may see them."""
    if record is None or not request.user.has_perm("invoices.view_chargeline"):
        return ""
    query = {"customer": record.customer.code, "event_id": record.event_id}
    return reverse("admin:invoices_chargeline_changelist", query=query)


def _url(code: str, event_id: str) -> str:
    return f"{reverse('usage_record')}?{urlencode({'customer': code, 'event_id': event_id})}"
