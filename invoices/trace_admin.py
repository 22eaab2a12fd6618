"""Tracing in the admin: a charge line with its records, and a search for a record and its lines."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path

from accounts.models import Customer
from invoices.downloads import records_file
from invoices.models import ChargeLine
from invoices.templatetags.amounts import decimals_of
from invoices.trace_forms import FindRecordForm, RecordsForm
from invoices.tracing import RecordTrace, records_of, trace_record


class TracedLines:
    """Charge lines: one is shown with its records; the list is a search for a record."""

    def get_urls(self) -> list[URLPattern]:
        """One more, for the file."""
        file = path(
            "<int:pk>/records.csv",
            self.admin_site.admin_view(self.records_csv),
            name="invoices_chargeline_records",
        )
        return [file, *super().get_urls()]
