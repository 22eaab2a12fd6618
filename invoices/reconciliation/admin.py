"""The other side's usage against ours, in the admin: sums and the first differences, or a file of all."""

from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from typing import IO, Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from invoices.drilldown.downloads import download_or_page
from invoices.reconciliation.compare import Difference, Reconciled, quantities_text, reconcile
from invoices.reconciliation.differences_csv import differences_file
from invoices.reconciliation.forms import ReconcileForm
from invoices.reconciliation.usage_file import UnreadableFile, UsageFile

SHOWN = 100


@csrf_exempt  # until the permission is checked: the check reads the file
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("usage.view_usagerecord", raise_exception=True)
def reconciliation(request: HttpRequest) -> HttpResponseBase:
    """Take a file and show where it differs from what was recorded; nothing is stored."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    return _compared(request)


@csrf_protect
def _compared(request: HttpRequest) -> HttpResponseBase:
    form = ReconcileForm(request.POST or None, request.FILES or None)
    shown: dict[str, Any] = {}
    if form.is_valid():
        try:
            if "download" in request.POST:
                name = f"differences-{form.cleaned_data['customer'].code}.csv"
                write = partial(_write_differences, form)
                return download_or_page(
                    name=name, content_type="text/csv; charset=utf-8", write=write, reads_only=False
                )
            shown = _first_differences(form)
        except UnreadableFile as error:
            form.add_error("file", error.in_words())
    page = {**admin.site.each_context(request), "title": gettext("Reconciliation"), "form": form, **shown}
    return render(request, "admin/reconciliation.html", page)


def _first_differences(form: ReconcileForm) -> dict[str, Any]:
    first: list[Difference] = []

    def note(one: Difference) -> None:
        if len(first) < SHOWN:
            first.append(one)

    found = _reconciled(form, _usage_file(form), note)
    kinds = [(gettext(kind), count, found.amounts[kind]) for kind, count in found.counts.items()]
    rows = [
        (one, gettext(one.kind), quantities_text(one.theirs) or "–", quantities_text(one.ours) or "–")
        for one in first
    ]
    return {"found": found, "kinds": kinds, "rows": rows, "shown": SHOWN, "count": sum(found.counts.values())}


def _write_differences(form: ReconcileForm, to: IO[bytes]) -> None:
    file = _usage_file(form)
    with differences_file(to, file.measures) as write:
        _reconciled(form, file, write)


def _usage_file(form: ReconcileForm) -> UsageFile:
    return UsageFile(TextIOWrapper(form.cleaned_data["file"].file, encoding="utf-8-sig", newline=""))


def _reconciled(
    form: ReconcileForm, file: UsageFile, on_difference: Callable[[Difference], None]
) -> Reconciled:
    chosen = form.cleaned_data
    return reconcile(
        file=file,
        customer=chosen["customer"],
        begin=chosen["begins_at"],
        end=chosen["ends_at"],
        on_difference=on_difference,
    )
