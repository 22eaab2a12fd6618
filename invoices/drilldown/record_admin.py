"""One usage record in the admin: where it is billed, and its reversal. There are far too many to list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache

from accounts.models import Customer
from invoices.admin_forms import ReasonForm
from invoices.drilldown.admin import outcome_in_words, shown_archived_call
from invoices.drilldown.forms import FindRecordForm
from invoices.drilldown.trace.records import BillingState, RecordTrace, trace_record
from invoices.templatetags.amounts import exact, grouped, instant_text, quantities
from pricing.words import measure_name
from sensenova_billing.lib import clock
from sensenova_billing.lib.sentences import in_words
from usage.ingest.errors import AlreadyReversed, NotReversible
from usage.ingest.reversals import reason_of, reverse_record
from usage.models import UsageRecord
from usage.quarantine.words import field_in_words


@never_cache
@permission_required("usage.view_usagerecord", raise_exception=True)
def usage_record(request: HttpRequest) -> HttpResponse:
    """Find one record, show where it is billed, and reverse it for a reason."""
    search_form = FindRecordForm(request.GET or None)
    found = _find(search_form)
    archived = {} if found or not search_form.is_valid() else shown_archived_call(search_form)
    if not found and not archived:
        _say_that_it_is_missing(search_form)
    record = found.record if found else None
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
        "title": gettext("Usage records"),
        "search_form": search_form,
        "record": record,
        "form": form,
        "may_reverse": may_reverse,
        "lines_url": _lines_url(request, record),
        **(_facts_of(found) if found else archived),
        **(_credit_of(found) if found and may_reverse else {}),
    }
    return render(request, "admin/usage_record.html", context)


def _find(search_form: FindRecordForm) -> RecordTrace | None:
    if not search_form.is_valid():
        return None
    code, event_id = search_form.cleaned_data["customer"], search_form.cleaned_data["event_id"]
    customer = Customer.objects.filter(code=code).first()
    if customer is None:
        search_form.add_error("customer", gettext("There is no such customer."))
        return None
    return trace_record(customer=customer, event_id=event_id)


def _say_that_it_is_missing(search_form: FindRecordForm) -> None:
    if search_form.is_valid():
        text = gettext("%(customer)s has no record of this id.")
        search_form.add_error("event_id", text % {"customer": search_form.cleaned_data["customer"]})


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
        detail = error.details[0]
        form.add_error(
            None,
            f"{_refusal(error.message)} {field_in_words(detail['field'])}: {_refusal(detail['reason'])}.",
        )
        return False
    except AlreadyReversed as error:
        then = gettext("The reason then: %(reason)s") % {"reason": error.details[0]["stored"]}
        form.add_error(None, f"{_refusal(error.message)} {then}")
        return False
    done = gettext("Reversed: it is taken back on the bill of %(hour)s UTC.")
    messages.success(request, done % {"hour": f"{reversal.billing_hour:%Y-%m-%d %H:%M}"})
    return True


def _refusal(text: str) -> str:
    """Return a text of the API's errors in the language of the page."""
    return in_words(text, made_from=_REFUSALS)


_REFUSALS = (
    gettext_noop("The record cannot be reversed. Nothing was stored."),
    gettext_noop("The record is already reversed, for another reason. Nothing was stored."),
    gettext_noop("must have 1 to %(most)s characters"),
    gettext_noop("unknown record"),
    gettext_noop("the record is itself a reversal"),
    gettext_noop("the record is archived; it can be reversed once it is restored"),
    gettext_noop("the record is already reversed; its reversal is archived"),
)


def _facts_of(found: RecordTrace) -> dict[str, Any]:
    """Return what the page says of a record and of what reverses it."""
    return {
        "facts": _facts(found),
        "reversal": found.reversal.record if found.reversal else None,
        "reversal_facts": _facts(found.reversal) if found.reversal else [],
    }


def _credit_of(found: RecordTrace) -> dict[str, str]:
    """Return what a reversal would credit, where that is known: the record is on a bill."""
    if found.record.reverses is not None or found.billing_state != BillingState.BILLED:
        return {}
    return {"credit": exact(-found.amount)}


def _facts(found: RecordTrace) -> list[tuple[str, str]]:
    record = found.record
    facts = [
        (
            gettext("Customer"),
            _link("admin:accounts_customer_change", record.customer_id, record.customer.code),
        ),
        (gettext("Event id"), _record_link(record, record.event_id)),
        (gettext("Service"), str(record.service)),
        (gettext("Used at (UTC)"), instant_text(record.occurred_at)),
        (gettext("Received at (UTC)"), instant_text(record.received_at)),
        *((measure_name(measure), grouped(quantity)) for measure, quantity in quantities(record)),
        (gettext("Outcome"), outcome_in_words(record)),
        (gettext("Billing hour (UTC)"), f"{record.billing_hour:%Y-%m-%d %H:%M}"),
        (gettext("Bill"), _bill_of(found)),
    ]
    if record.reverses is None:
        return [*facts, *(record.metadata or {}).items()]
    return [
        *facts,
        (gettext("Reverses"), _record_link(record, record.reverses)),
        (gettext("Reason"), reason_of(record)),
        (gettext("Reversed by"), str((record.metadata or {}).get("by", ""))),
    ]


def _bill_of(found: RecordTrace) -> str:
    if found.bill:
        return _link("admin:invoices_hourlybill_change", found.bill.pk, found.bill.number)
    if found.parked:
        return _link("admin:invoices_parkedhour_change", found.parked.pk, gettext("none: the hour is parked"))
    is_open = found.billing_state == BillingState.OPEN
    return gettext("none yet: it comes when the hour closes") if is_open else gettext("none")


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
