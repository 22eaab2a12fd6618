"""A month's bill or a statement as a file that a browser downloads."""

from collections.abc import Callable
from functools import partial
from typing import IO

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext

from invoices.documents.monthly_bill import MonthlyBill
from invoices.documents.pdf import write_pdf
from invoices.documents.workbook import write_month
from invoices.drilldown.downloads import download_or_page
from pricing.files.xlsx import TooManyLines

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Reads the document when the file has its turn.
Document = Callable[[], MonthlyBill]


def workbook_or_page(request: HttpRequest, *, name: str, document: Document) -> HttpResponseBase:
    """Answer with the workbook, or with a page where no sheet holds the line items."""
    try:
        return download_or_page(
            name=f"{name}.xlsx", content_type=_XLSX, write=partial(_write_workbook, document)
        )
    except TooManyLines:
        words = gettext("This month has more line items than a workbook holds. Download them as CSV.")
        return render(request, "error.html", {"status": 422, "message": words}, status=422)


def pdf_or_page(*, name: str, document: Document) -> HttpResponseBase:
    """Answer with the PDF."""
    return download_or_page(
        name=f"{name}.pdf", content_type="application/pdf", write=partial(_write_pdf, document)
    )


def _write_workbook(document: Document, to: IO[bytes]) -> None:
    write_month(document(), to=to)


def _write_pdf(document: Document, to: IO[bytes]) -> None:
    write_pdf(document(), to=to)
