"""The catalogue as a file in the admin: export it; import one, seeing first what it would do."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods

from pricing.changes.apply import WRITTEN, ChangesRefused, RowChange, RowState, StalePreview
from pricing.changes.checks.steep import NOT_CONFIRMED, Unconfirmed
from pricing.changes.rows import Row, cells_of
from pricing.changes.stored import all_rows
from pricing.files.formats import Reading, csv_file, xlsx_file
from pricing.files.forms import ConfirmForm, UploadForm, opened, sealed
from pricing.files.imports import Preview, import_rows, preview_import, row_name
from pricing.models import Proposal
from pricing.stored_words import stored_in_words
from pricing.templatetags.plans import STATES, VARIANTS
from sensenova_billing.lib import clock

SHOWN = 500
MOVED = _("The catalogue or the time has moved on since the preview. Nothing was changed: look again.")
CSV, XLSX = "text/csv; charset=utf-8", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_IMPORTED = (
    "servicegroup",
    "service",
    "servicealias",
    "billingitem",
    "price",
    "callspecification",
    "packageproduct",
    "packageterms",
)
# An import needs the rights to add and change everything that a file can hold.
IMPORT_RIGHTS = [f"pricing.{may}_{model}" for may in ("add", "change") for model in _IMPORTED]


@never_cache
@require_GET
@permission_required("pricing.view_price", raise_exception=True)
def catalogue_csv(request: HttpRequest) -> HttpResponse:
    """The whole catalogue as one CSV file."""
    return _file(csv_file(all_rows()), CSV, "csv")


@never_cache
@require_GET
@permission_required("pricing.view_price", raise_exception=True)
def catalogue_xlsx(request: HttpRequest) -> HttpResponse:
    """The whole catalogue as a workbook."""
    return _file(xlsx_file(all_rows()), XLSX, "xlsx")


@csrf_exempt  # until the permission is checked: the check reads the file
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("pricing.view_price", raise_exception=True)
def catalogue_import(request: HttpRequest) -> HttpResponse:
    """Offer the export; take a file, preview it, ask for a reason, import it."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    return _import_step(request)


@csrf_protect
def _import_step(request: HttpRequest) -> HttpResponse:
    may_import = request.user.has_perms(IMPORT_RIGHTS)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Import and export"),
        "may_import": may_import,
        "upload": UploadForm(),
    }
    if request.method == "POST":
        if not may_import:
            raise PermissionDenied
        step = _confirm if "previewed" in request.POST else _upload
        shown = step(request, clock.now())
        if shown is None:
            return redirect("catalogue_import")
        context |= shown
    return render(request, "admin/catalogue_import.html", context)


def _file(content: bytes, kind: str, ending: str) -> HttpResponse:
    name = f"catalogue-{clock.now():%Y%m%dT%H%MZ}.{ending}"
    return HttpResponse(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _upload(request: HttpRequest, now: dt.datetime) -> dict[str, Any]:
    """Return what the page shows of a file that was sent."""
    upload = UploadForm(request.POST, request.FILES)
    if not upload.is_valid():
        return {"upload": upload}
    return _previewed(request, upload.cleaned_data["file"].name, upload.reading, now)


def _confirm(request: HttpRequest, now: dt.datetime) -> dict[str, Any] | None:
    """Import what was previewed and return None; or return the context of the page to show instead."""
    person = request.user.get_username()
    form = ConfirmForm(request.POST)
    form_is_valid = form.is_valid()
    try:
        name, reading, seen = opened(request.POST["previewed"], person=person)
    except BadSignature:
        messages.error(
            request, gettext("This preview has expired. Nothing was changed: upload the file again.")
        )
        return None
    if form_is_valid:
        reason = form.cleaned_data["reason"]
        try:
            proposal = import_rows(
                name=name,
                reading=reading,
                seen=seen,
                by=person,
                reason=reason,
                now=now,
                confirmed=request.POST.get("confirmed") == "yes",
            )
        except (StalePreview, ChangesRefused):
            pass  # the page shows a new preview and says that it differs
        except Unconfirmed:
            form.add_error(None, NOT_CONFIRMED)
            return _previewed(request, name, reading, now, form)
        else:
            messages.success(request, _done(name, proposal))
            return None
    shown = _previewed(request, name, reading, now, form)
    if form_is_valid or shown["preview"].fingerprint != seen:
        messages.error(request, MOVED)
    return shown


def _done(name: str, proposal: Proposal | None) -> str:
    if proposal is None:
        return gettext("Imported: %(file)s.") % {"file": name}
    text = gettext("Proposed: %(change)s. It waits for a second person.")
    return text % {"change": stored_in_words(proposal.deed)}


def _previewed(
    request: HttpRequest, name: str, reading: Reading, now: dt.datetime, form: ConfirmForm | None = None
) -> dict[str, Any]:
    """Return what the page shows of an import, with the form to confirm what is shown."""
    preview = preview_import(reading=reading, now=now)
    person = request.user.get_username()
    written = sum(preview.counts[state] for state in WRITTEN)
    return {
        "name": name,
        "preview": preview,
        "counts": [f"{count:,} {gettext(STATES[state])}" for state, count in preview.counts.items()],
        "refusals": preview.refusals[:SHOWN],
        "changes": _change_rows(preview),
        "written": written,
        "shown": SHOWN,
        "form": (form or ConfirmForm()) if preview.is_applicable else None,
        "previewed": sealed(name=name, reading=reading, seen=preview.fingerprint, person=person)
        if preview.is_applicable
        else "",
        "needs_approval": settings.PRICE_CHANGES_NEED_APPROVAL,
    }


def _change_rows(preview: Preview) -> list[dict[str, Any]]:
    """Return each change for the page: its line, which row it is, and the cells that change."""
    written = [(line, change) for line, change in preview.changes if change.state in WRITTEN]
    return [
        {
            "line": line,
            "sheet": change.row.sheet,
            "name": row_name(change),
            "state": gettext(STATES[change.state]),
            "is_new": change.state == RowState.NEW,
            "variant": VARIANTS[change.state],
            "cells": _cells(change),
        }
        for line, change in written[:SHOWN]
    ]


def _cells(change: RowChange) -> list[tuple[str, str, str]]:
    """Return the cells that change, each with its value before and after."""
    before, after = _filled(change.before), cells_of(change.row)
    if change.state == RowState.REMOVED:
        return [(column, text, "") for column, text in before.items() if column not in change.row.names]
    return [
        (column, before.get(column, ""), text)
        for column, text in after.items()
        if text != before.get(column, "") and (change.before or column not in change.row.names)
    ]


def _filled(row: Row | None) -> dict[str, str]:
    return {column: text for column, text in cells_of(row).items() if text} if row else {}
