"""Payments from a bank's file in the admin: preview and book; and the imports there have been."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from invoices.bank_import.bank_file import BankTable
from invoices.bank_import.book import SourceFile, StalePlan, import_payments
from invoices.bank_import.columns import is_enough
from invoices.bank_import.forms import CUSTOMER, LayoutForm, UploadForm, choices_of, opened, sealed
from invoices.bank_import.plan import Plan, PlannedRow, RowState, plan_import
from invoices.bank_import.rows import BankRow, guess_layout, read_bank_rows
from invoices.models import BankImport
from invoices.templatetags.amounts import exact, grouped, instant_text
from pricing.changes.base_form import offered_codes
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

CANDIDATES_SHOWN = 5
_VARIANTS = {
    RowState.TO_BOOK: "success",
    RowState.WITHOUT_CUSTOMER: "warning",
    RowState.AMBIGUOUS: "warning",
    RowState.PERHAPS_BOOKED: "warning",
    RowState.REFUSED: "danger",
    RowState.UNREADABLE: "danger",
}


@csrf_exempt  # until the permission is checked: the check reads the file
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("invoices.add_accounttransaction", raise_exception=True)
def bank_import(request: HttpRequest) -> HttpResponse:
    """Take a bank's file, show what would be booked of it, and book that."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    return _import_step(request)


@csrf_protect
def _import_step(request: HttpRequest) -> HttpResponse:
    context: dict[str, Any] = {}
    if request.method == "POST":
        step = _confirm if "previewed" in request.POST else _upload
        shown = step(request, clock.now())
        if isinstance(shown, HttpResponse):
            return shown
        context = shown
    title = gettext("Import payments from a bank's file")
    page = {**admin.site.each_context(request), "title": title, "upload": UploadForm(), **context}
    return render(request, "admin/bank_import.html", page)


def _upload(request: HttpRequest, now: dt.datetime) -> dict[str, Any]:
    """Return what the page shows of a file that was sent."""
    upload = UploadForm(request.POST, request.FILES)
    if not upload.is_valid():
        return {"upload": upload}
    table, guessed = upload.table, guess_layout(upload.table)
    form = LayoutForm(None, table=table, layout=guessed)
    rows = read_bank_rows(table, guessed, today=now.date()) if is_enough(guessed.columns) else []
    plan = plan_import(rows, choices={})
    return _previewed(request, upload.source, table, form, plan)


def _confirm(request: HttpRequest, now: dt.datetime) -> dict[str, Any] | HttpResponse:
    """Book what was previewed; or return what the page shows instead."""
    person = request.user.get_username()
    try:
        source, table, seen = opened(request.POST["previewed"], person=person)
    except BadSignature:
        messages.error(
            request, gettext("This preview has expired. Nothing was booked: upload the file again.")
        )
        return redirect("bank_import")
    form = LayoutForm(request.POST, table=table, layout=guess_layout(table))
    if not form.is_valid():
        return _previewed(request, source, table, form, Plan([]))
    rows = read_bank_rows(table, form.layout(), today=now.date())
    choices = {} if "read" in request.POST else choices_of(request.POST)
    if "book" in request.POST:
        try:
            made = import_payments(source=source, rows=rows, choices=choices, seen=seen, by=person, now=now)
        except StalePlan:
            messages.warning(request, gettext("Nothing is booked yet: look at what would be booked now."))
        else:
            messages.success(request, _done(made))
            return redirect(reverse("admin:invoices_bankimport_change", args=[made.pk]))
    return _previewed(request, source, table, form, plan_import(rows, choices=choices))


def _done(made: BankImport) -> str:
    words = ngettext("Booked: %(number)s payment.", "Booked: %(number)s payments.", made.payments)
    return words % {"number": grouped(made.payments)}


def _previewed(
    request: HttpRequest, source: SourceFile, table: BankTable, form: LayoutForm, plan: Plan
) -> dict[str, Any]:
    person = request.user.get_username()
    counts = [f"{grouped(count)} {gettext(state)}" for state, count in plan.counts.items()]
    return {
        "name": source.name,
        "layout": form,
        "plan": plan,
        "counts": counts,
        "rows": [_row(one) for one in plan.rows],
        "codes": offered_codes(),
        "previewed": sealed(source=source, table=table, seen=plan.fingerprint, person=person),
    }


def _row(planned: PlannedRow) -> dict[str, Any]:
    codes = [one.code for one in planned.candidates[:CANDIDATES_SHOWN]]
    return {
        "planned": planned,
        "row": planned.row,
        "date": planned.row.date.isoformat() if planned.row.date else "",
        "amount": _amount(planned.row),
        "state": gettext(planned.state),
        "variant": _VARIANTS.get(planned.state, "info"),
        "field": f"{CUSTOMER}{planned.row.line}",
        "candidates": ", ".join(codes) if planned.customer is None else "",
    }


def _amount(row: BankRow) -> str:
    return "" if row.problem else f"{row.amount:,.2f}"


class BankImportAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every import, the newest first."""

    ordering = ("-id",)
    list_display = ("file_name", "imported_text", "payments_text", "amount_text", "by")
    search_fields = ("file_name", "file_digest", "by")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *("file_name", "file_digest", "imported_text", "by", "rows_text", "payments_text", "amount_text"),
        "booked_text",
    )
    actions_list = ("import_file",)
    appears_here = _("Imports of payments from a bank's file appear here. Import one with the button.")

    def has_import_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """With the permission to add transactions."""
        return bool(request.user.has_perm("invoices.add_accounttransaction"))

    @action(description=_("Import a bank's file"), url_path="import", permissions=["import"])
    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Lead to the page."""
        return redirect("bank_import")

    @display(description=_("imported (UTC)"), ordering="id")
    def imported_text(self, made: BankImport) -> str:
        """To the second."""
        return instant_text(made.at)

    @display(description=_("bookings in the file"))
    def rows_text(self, made: BankImport) -> str:
        """How many, those that went out included."""
        return grouped(made.rows)

    @display(description=_("payments"), ordering="payments")
    def payments_text(self, made: BankImport) -> str:
        """How many were booked."""
        return grouped(made.payments)

    @display(description=_("amount (RMB)"), ordering="amount")
    def amount_text(self, made: BankImport) -> str:
        """Of all payments."""
        return exact(made.amount)

    @display(description=_("booked"))
    def booked_text(self, made: BankImport) -> str:
        """Each payment with its line, and a link."""
        imported = made.imported.select_related("transaction__customer").order_by("line")
        return format_html_join(
            "",
            "<div>{}: {} {}</div>",
            (
                (
                    one.line,
                    one.transaction.customer.code,
                    row_link("invoices_accounttransaction", one.transaction_id, one.transaction.reference),
                )
                for one in imported
            ),
        )
