"""The drill-down in the admin: a charge line with its records, and a search for a record and its lines."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from invoices.drilldown.downloads import records_file_or_page
from invoices.drilldown.forms import FindRecordForm, RecordsForm
from invoices.drilldown.trace.archived import archive_behind, find_archived, is_file_there
from invoices.drilldown.trace.lines import records_of
from invoices.drilldown.trace.records import BillingState, RecordTrace, Share, trace_record
from invoices.models import ChargeLine
from invoices.stored_words import parked_because
from invoices.templatetags.amounts import (
    correction_name,
    exact,
    grouped,
    instant_text,
    precise_text,
    quantities,
    unit,
)
from pricing.changes.base_form import is_key
from pricing.words import measure_name
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from usage.models import UsageArchive, UsageRecord

_LIST, _PAGE = "admin:invoices_chargeline_changelist", "admin:invoices_chargeline_change"
_BILLING_STATES = {
    BillingState.BILLED: gettext_noop("billed"),
    BillingState.OPEN: gettext_noop("not billed yet: its hour is open"),
    BillingState.PARKED: gettext_noop("not billed yet: its hour is parked"),
    BillingState.NOT_CHARGED: gettext_noop("not charged: the call failed or was cut off"),
    BillingState.UNBILLED: gettext_noop("NOT BILLED although its hour is closed: verify the books"),
}


class LinksToRecords:
    """For a table of charge lines."""

    @display(description=_("records"))
    def records_link(self, line: ChargeLine) -> str:
        """How many, with a link to them."""
        return _link(
            reverse(_PAGE, args=[line.pk]), grouped(line.records) if line.records else gettext("show")
        )


class TracedLineAdmin(ModelAdmin):
    """A charge line is shown with its records; in place of a list there is the search for a record."""

    def get_urls(self) -> list[Any]:
        """One more, for the file."""
        file = self.admin_site.admin_view(self.records_csv)
        return [path("<int:pk>/records.csv", file, name="invoices_chargeline_records"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The search for a record, and what it found."""
        self._require_view(request)
        form = FindRecordForm(request.GET or None)
        found = _find(form) if form.is_valid() else None
        archived = shown_archived_call(form) if form.is_valid() and not found else {}
        context = {
            "title": gettext("Usage records: charge lines"),
            "form": form,
            "found": found,
            "is_missing": form.is_bound and form.is_valid() and found is None and not archived,
            "facts": _record_facts(found) if found else [],
            **archived,
            "shares": _shares_table(found) if found else None,
            "record_url": f"{reverse('usage_record')}?{request.GET.urlencode()}",
        }
        return self._page(request, "admin/find_record.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A charge line with a page of its records."""
        self._require_view(request)
        line = _line(object_id)
        form = RecordsForm(request.GET)
        page = form.read(records_of(line=line))
        context = {
            "title": f"{line.service_name}: {measure_name(line.measure)}",
            "form": form,
            "page": page,
            **shown_archive(archive_behind(line, found=page.records)),
            "facts": _line_facts(line),
            "records": _records_table(line, page.records),
            "file_url": reverse("admin:invoices_chargeline_records", args=[line.pk]),
            "bill_url": reverse("admin:invoices_hourlybill_change", args=[line.bill_id]),
        }
        return self._page(request, "admin/charge_line.html", context)

    def records_csv(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """All of a line's records."""
        self._require_view(request)
        return records_file_or_page(line=_line(pk))

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        return render(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )


def _line(pk: str | int) -> ChargeLine:
    lines = ChargeLine.objects.select_related("bill__customer", "corrects__bill", "package")
    return get_object_or_404(lines, pk=pk if is_key(str(pk)) else 0)


def shown_archive(archive: UsageArchive | None) -> dict[str, Any]:
    """Return what admin/archived.html needs."""
    return {"archive": archive, "is_file_there": archive is not None and is_file_there(archive)}


def shown_archived_call(form: FindRecordForm) -> dict[str, Any]:
    """Return what a page shows of a call that is archived; nothing if it is not."""
    customer = Customer.objects.filter(code=form.cleaned_data["customer"]).first()
    found = find_archived(customer=customer, event_id=form.cleaned_data["event_id"]) if customer else None
    if found is None:
        return {}
    facts = [
        [gettext("event id"), found.event.event_id],
        [gettext("time (UTC)"), precise_text(found.event.occurred_at)],
        [gettext("billing hour (UTC)"), f"{found.event.billing_hour:%Y-%m-%d %H:%M}"],
    ]
    if found.bill:
        page = reverse("admin:invoices_hourlybill_change", args=[found.bill.pk])
        facts.append([gettext("bill"), _link(page, found.bill.number)])
    if found.event.reverses is not None:
        facts.append([gettext("reverses"), _record_link(form.cleaned_data["customer"], found.event.reverses)])
    return {"facts": facts, **shown_archive(found.archive)}


def _find(form: FindRecordForm) -> RecordTrace | None:
    customer = Customer.objects.filter(code=form.cleaned_data["customer"]).first()
    return trace_record(customer=customer, event_id=form.cleaned_data["event_id"]) if customer else None


def _link(url: str, text: Any) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', url, text)


def _record_link(customer: str, event_id: str) -> str:
    url = f"{reverse(_LIST)}?{urlencode({'customer': customer, 'event_id': event_id})}"
    return _link(url, event_id)


def _line_link(line: ChargeLine) -> str:
    words = measure_name(line.measure)
    if line.correction:
        correction = correction_name(line.correction)
        words = gettext("%(item)s (%(correction)s)") % {"item": words, "correction": correction}
    return _link(reverse(_PAGE, args=[line.pk]), words)


def _bill_link(line: ChargeLine) -> str:
    return _link(reverse("admin:invoices_hourlybill_change", args=[line.bill_id]), line.bill.number)


def _line_facts(line: ChargeLine) -> list[list[Any]]:
    facts = [
        [gettext("bill"), _bill_link(line)],
        [gettext("used in (UTC)"), f"{line.usage_hour:%Y-%m-%d %H:%M}"],
        [gettext("unit price (RMB)"), _unit_price(line)],
        [gettext("records"), grouped(line.records)],
        [gettext("quantity"), grouped(line.quantity)],
        [gettext("amount (RMB)"), exact(line.amount)],
    ]
    if line.package:
        package = reverse("admin:pricing_quotapackage_change", args=[line.package_id])
        facts.append([gettext("covered by"), _link(package, line.package.number)])
    if line.corrects:
        corrects = gettext("%(correction)s: corrects a line of")
        words = corrects % {"correction": correction_name(line.correction)}
        facts.append([words, _bill_link(line.corrects)])
        facts.append([gettext("the corrected line"), _line_link(line.corrects)])
    for correction in line.corrections.select_related("bill").order_by("pk"):
        words = gettext("corrected on %(bill)s") % {"bill": correction.bill.number}
        facts.append([words, _line_link(correction)])
    return facts


def _records_table(line: ChargeLine, records: list[Any]) -> dict[str, Any]:
    code = line.bill.customer_code
    rows = [
        [
            precise_text(record.occurred_at),
            _record_link(code, record.event_id),
            _record_link(code, record.reverses) if record.reverses is not None else "",
            instant_text(record.received_at),
            grouped(record.quantity),
            exact(record.amount),
        ]
        for record in records
    ]
    heads = [
        *(gettext("time (UTC)"), gettext("event id"), gettext("reverses"), gettext("received (UTC)")),
        *(gettext("quantity"), gettext("amount (RMB)")),
    ]
    return {"headers": heads, "rows": rows}


def _record_facts(found: RecordTrace) -> list[list[Any]]:
    record, code = found.record, found.record.customer.code
    facts = [
        [gettext("event id"), record.event_id],
        [gettext("customer"), code],
        [gettext("service"), record.service.name],
        [gettext("time (UTC)"), precise_text(record.occurred_at)],
        [gettext("received (UTC)"), instant_text(record.received_at)],
        [gettext("billing hour (UTC)"), f"{record.billing_hour:%Y-%m-%d %H:%M}"],
        *([measure_name(measure), grouped(quantity)] for measure, quantity in quantities(record)),
        *([name, str(value)] for name, value in (record.metadata or {}).items()),
        [gettext("outcome"), outcome_in_words(record)],
        [gettext("state"), gettext(_BILLING_STATES[found.billing_state])],
    ]
    if found.parked:
        facts.append([gettext("parked because"), parked_because(found.parked.reason)])
    if record.reverses is not None:
        facts.append([gettext("reverses"), _record_link(code, record.reverses)])
    if found.reversal:
        facts.append([gettext("reversed by"), _record_link(code, found.reversal.record.event_id)])
        state = gettext(_BILLING_STATES[found.reversal.billing_state])
        facts.append([gettext("state of the reversal"), state])
    return facts


def _shares_table(found: RecordTrace) -> dict[str, Any]:
    rows = [_share_row(share) for share in [*found.lines, *found.corrections]]
    heads = [
        *(gettext("billing item"), gettext("bill"), gettext("quantity of this record")),
        *(gettext("unit price (RMB)"), gettext("amount (RMB)")),
    ]
    return {"headers": heads, "rows": rows}


def _share_row(share: Share) -> list[Any]:
    line = share.line
    amounts = grouped(share.quantity), _unit_price(line), exact(share.amount)
    return [_line_link(line), _bill_link(line), *amounts]


def _unit_price(line: ChargeLine) -> str:
    return f"{exact(line.unit_price)} / {unit(line)}"


def outcome_in_words(record: UsageRecord) -> str:
    """Return how the call ended."""
    return gettext(record.get_outcome_display()) if record.outcome else gettext("completed")
