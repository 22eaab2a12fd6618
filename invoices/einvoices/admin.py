"""Requests for tax invoices in the admin: to export, and to record what was issued."""

import datetime as dt
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Case, QuerySet, Value, When
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.account.form_page import form_page
from invoices.account.forms import ReversalForm
from invoices.einvoices.china import LINE_COLUMNS, is_of_china, line_rows, write_template
from invoices.einvoices.forms import InvoiceForm, RedLetterForm
from invoices.einvoices.requests import (
    EInvoiceRefused,
    record_einvoice,
    record_red_letter,
    refuse_einvoice,
    superseded_on,
)
from invoices.einvoices.ubl import NoSeller, write_credit_note, write_invoice
from invoices.models import EInvoiceRequest, EInvoiceState
from invoices.templatetags.amounts import exact, instant_text
from pricing.files.csv import write_csv
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

MOST_AT_ONCE = 1000
_CHANGE = "admin:invoices_einvoicerequest_change"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WAITS = (EInvoiceState.REQUESTED,)
_COMES_TO_SOMETHING = (EInvoiceState.REQUESTED, EInvoiceState.ISSUED, EInvoiceState.REVERSED)
STATE_COLOURS = {
    EInvoiceState.REQUESTED.label: "warning",
    EInvoiceState.ISSUED.label: "success",
    EInvoiceState.REFUSED.label: "danger",
    EInvoiceState.WITHDRAWN.label: "default",
    EInvoiceState.REVERSED.label: "default",
}


class EInvoiceRequestAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every request, those that wait first."""

    list_display = (
        *("number", "customer_link", "kind_text", "buyer_name", "payable_text", "state_text"),
        *("invoice_number", "superseded_text", "requested_text"),
    )
    list_filter = (("state", TranslatedChoicesFilter), ("kind", TranslatedChoicesFilter))
    list_select_related = ("customer",)
    search_fields = ("customer__code", "buyer_name", "buyer_tax_id", "invoice_number", "red_number")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *(
            "number",
            "customer_link",
            "kind_text",
            "statements_text",
            "payable_text",
            "tax_text",
            "state_text",
        ),
        *("buyer_name", "buyer_country", "buyer_tax_id", "buyer_address", "buyer_phone", "buyer_bank"),
        *("buyer_account", "buyer_email", "remarks", "requested_text", "requested_by"),
        *("invoice_number", "invoice_date", "refusal", "decided_text", "decided_by"),
        *("red_number", "red_date", "red_reason", "reversed_text", "reversed_by"),
    )
    actions = ("export_template", "export_lines", "export_ubl")
    actions_detail = ("record", "refuse", "red_letter")
    appears_here = _("Requests for tax invoices appear here, which customers make of their statements.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EInvoiceRequest]:
        """With the statements, read at once."""
        found: QuerySet[EInvoiceRequest] = super().get_queryset(request)
        return found.prefetch_related("items__statement__corrected_by")

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Those that wait first, then the newest."""
        return (Case(When(state=EInvoiceState.REQUESTED, then=Value(0)), default=Value(1)), "-pk")

    def has_record_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """With the permission to change requests, while there is something to record."""
        return self._may(request, object_id, EInvoiceState.REQUESTED, EInvoiceState.ISSUED)

    def has_refuse_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """The same, while it waits."""
        return self._may(request, object_id, EInvoiceState.REQUESTED)

    def has_red_letter_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """The same, once it is issued."""
        return self._may(request, object_id, EInvoiceState.ISSUED)

    def _may(self, request: HttpRequest, object_id: Any, *states: EInvoiceState) -> bool:
        may = bool(request.user.has_perm("invoices.change_einvoicerequest"))
        if not may or object_id is None:
            return may
        try:
            return EInvoiceRequest.objects.filter(pk=object_id, state__in=states).exists()
        except ValueError:  # no number; there is no such page
            return False

    @display(description=_("number"), ordering="id")
    def number(self, einvoice: EInvoiceRequest) -> str:
        """That files name it by."""
        return einvoice.number

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, einvoice: EInvoiceRequest) -> str:
        """With a link."""
        return row_link("accounts_customer", einvoice.customer_id, einvoice.customer.code)

    @display(description=_("tax invoice"), ordering="kind")
    def kind_text(self, einvoice: EInvoiceRequest) -> str:
        """Which it is to be."""
        return gettext(einvoice.get_kind_display())

    @display(description=_("payable (RMB)"), ordering="payable")
    def payable_text(self, einvoice: EInvoiceRequest) -> str:
        """Tax included."""
        return exact(einvoice.payable)

    @display(description=_("net and tax (RMB)"))
    def tax_text(self, einvoice: EInvoiceRequest) -> str:
        """As the statements divide it."""
        return f"{exact(einvoice.net)} + {exact(einvoice.tax)}"

    @display(description=_("state"), label=STATE_COLOURS)
    def state_text(self, einvoice: EInvoiceRequest) -> Label:
        """How far it is."""
        state = einvoice.get_state_display()
        return Label(state, gettext(state))

    @display(description=_("superseded"))
    def superseded_text(self, einvoice: EInvoiceRequest) -> str:
        """The statements that were corrected since: an invoice that was issued of them is to be reversed."""
        return ", ".join(f"{one} → {later}" for one, later in superseded_on(einvoice)) or "-"

    @display(description=_("statements"))
    def statements_text(self, einvoice: EInvoiceRequest) -> str:
        """Each with a link, its month and amount, and the one that supersedes it."""
        later = {
            one.pk: f" ({gettext('superseded by %(number)s') % {'number': by}})"
            for one, by in superseded_on(einvoice)
        }
        rows = (
            (
                row_link("invoices_statement", one.pk, one.number),
                f"{one.month:%Y-%m}",
                exact(one.payable),
                later.get(one.pk, ""),
            )
            for one in (item.statement for item in einvoice.items.all())
        )
        return format_html_join("", "<div>{} {}: {}{}</div>", rows)

    @display(description=_("requested (UTC)"), ordering="id")
    def requested_text(self, einvoice: EInvoiceRequest) -> str:
        """To the second."""
        return instant_text(einvoice.requested_at)

    @display(description=_("decided (UTC)"))
    def decided_text(self, einvoice: EInvoiceRequest) -> str:
        """To the second."""
        return instant_text(einvoice.decided_at) if einvoice.decided_at else "-"

    @display(description=_("reversed (UTC)"))
    def reversed_text(self, einvoice: EInvoiceRequest) -> str:
        """To the second."""
        return instant_text(einvoice.reversed_at) if einvoice.reversed_at else "-"

    @action(description=_("Export for issuing in China (XLSX)"), permissions=["view"])
    def export_template(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """The rows of the batch template: of those that wait, so that none is issued twice."""
        rule = gettext("Choose e-invoices of China that wait to be issued.")
        chosen = self._chosen(request, queryset, states=_WAITS, fits=is_of_china, rule=rule)
        return _file("xlsx", _XLSX, write_template(chosen)) if chosen else None

    @action(description=_("Export lines of e-invoices of China (CSV)"), permissions=["view"])
    def export_lines(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """A row for each line, with its tax."""
        rule = gettext("Choose e-invoices of China that were not refused or withdrawn.")
        chosen = self._chosen(request, queryset, states=_COMES_TO_SOMETHING, fits=is_of_china, rule=rule)
        if not chosen:
            return None
        file = BytesIO()
        write_csv(to=file, head=LINE_COLUMNS, rows=line_rows(chosen))
        return _file("csv", "text/csv; charset=utf-8", file.getvalue())

    @action(description=_("Export as UBL 2.1"), permissions=["view"])
    def export_ubl(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """An XML file of one, or an archive of several; of one that is reversed its credit note as well."""
        rule = gettext("Choose requests that were not refused or withdrawn.")
        chosen = self._chosen(request, queryset, states=_COMES_TO_SOMETHING, fits=bool, rule=rule)
        if not chosen:
            return None
        try:
            files = {name: content for one in chosen for name, content in _ubl_files(one).items()}
        except NoSeller:
            words = gettext(
                "Not exported: the setting SELLER_TAX_ID is empty, and UBL names the seller by it."
            )
            messages.error(request, words)
            return None
        if len(files) == 1:
            return _file("xml", "application/xml", *files.values())
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
            for name, content in files.items():
                writer.writestr(name, content)
        return _file("zip", "application/zip", archive.getvalue())

    def _chosen(
        self,
        request: HttpRequest,
        queryset: QuerySet[EInvoiceRequest],
        *,
        states: Sequence[EInvoiceState],
        fits: Callable[[EInvoiceRequest], bool],
        rule: str,
    ) -> list[EInvoiceRequest]:
        """Return what was chosen, oldest first; nothing, and why, if one of it may not be exported."""
        chosen = list(queryset.order_by("pk")[: MOST_AT_ONCE + 1])
        unfit = [one.number for one in chosen if one.state not in states or not fits(one)]
        if len(chosen) > MOST_AT_ONCE:
            rule = gettext("Choose %(most)s at most.") % {"most": MOST_AT_ONCE}
            unfit = unfit or [chosen[-1].number]
        if unfit:
            words = {"numbers": ", ".join(unfit[:10]), "rule": rule}
            messages.error(request, gettext("Nothing was exported because of %(numbers)s. %(rule)s") % words)
            return []
        return chosen

    @action(description=_("Record the invoice"), url_path="record", permissions=["record"])
    def record(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for number and date of the invoice that was issued, or for the right ones."""
        found: EInvoiceRequest = self.get_object_or_404(request, object_id)
        initial = {"number": found.invoice_number, "date": found.invoice_date}
        form = InvoiceForm(_posted(request), today=_today(request), **initial)
        return self._record(
            request,
            found,
            form,
            record=record_einvoice,
            title=gettext("Record the invoice of %(number)s"),
            button=gettext("Record as issued"),
            note=gettext("The customer sees its number and date."),
        )

    @action(description=_("Refuse"), url_path="refuse", permissions=["refuse"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why."""
        return self._record(
            request,
            self.get_object_or_404(request, object_id),
            ReversalForm(_posted(request)),
            record=refuse_einvoice,
            title=gettext("Refuse %(number)s"),
            button=gettext("Refuse the request"),
            note=gettext("Its statements may be requested again."),
        )

    @action(description=_("Record the red-letter invoice"), url_path="red-letter", permissions=["red_letter"])
    def red_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the invoice that reverses the one that was issued."""
        return self._record(
            request,
            self.get_object_or_404(request, object_id),
            RedLetterForm(_posted(request), today=_today(request)),
            record=record_red_letter,
            title=gettext("Reverse the invoice of %(number)s"),
            button=gettext("Record as reversed"),
            note=gettext("Its statements, or those that supersede them, may be requested again."),
        )

    def _record(
        self,
        request: HttpRequest,
        found: EInvoiceRequest,
        form: Form,
        *,
        record: Callable[..., None],
        title: str,
        button: str,
        note: str,
    ) -> HttpResponse:
        page = reverse(_CHANGE, args=[found.pk])
        if form.is_valid():
            try:
                record(request=found, **form.cleaned_data, by=request.user.get_username(), now=clock.now())
            except EInvoiceRefused as refusal:
                form.add_error(None, gettext("Nothing was recorded. %(reason)s") % {"reason": refusal})
            else:
                messages.success(request, gettext("%(number)s is changed.") % {"number": found.number})
                return redirect(page)
        title %= {"number": found.number}
        return form_page(self, request, form, title=title, button=button, note=note, back=page)


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _today(request: HttpRequest) -> dt.date:
    """Return the day by the clock of the person."""
    person: Any = request.user
    return clock.now().astimezone(ZoneInfo(person.time_zone)).date()


def _ubl_files(einvoice: EInvoiceRequest) -> dict[str, bytes]:
    files = {f"{einvoice.number}.xml": write_invoice(einvoice)}
    if einvoice.state == EInvoiceState.REVERSED:
        files[f"{einvoice.number}-credit-note.xml"] = write_credit_note(einvoice)
    return files


def _file(kind: str, content_type: str, content: bytes) -> HttpResponse:
    name = f"einvoices-{clock.now():%Y%m%dT%H%M%SZ}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)
