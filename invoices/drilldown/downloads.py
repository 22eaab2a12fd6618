"""Answers that are files."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext
from tempfile import SpooledTemporaryFile
from threading import BoundedSemaphore
from typing import IO

from django.db import connection, transaction
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext, gettext_noop
from rest_framework.exceptions import APIException

from invoices.drilldown.csv_tables import RECORD_COLUMNS, record_rows
from invoices.drilldown.trace.archived import archive_of_line
from invoices.models import ChargeLine
from pricing.files.csv import Cell, write_csv
from sensenova_billing.lib.database.replica import reading_replica

_IN_MEMORY = 1024 * 1024
# Of a process's connections at most so many write files; the others are for reports and pages.
AT_A_TIME = 2
PATIENCE_SECONDS = 20
_TURNS = BoundedSemaphore(AT_A_TIME)
_CSV = "text/csv; charset=utf-8"

Rows = Iterable[Sequence[Cell]]
Write = Callable[[IO[bytes]], None]


class Busy(APIException):
    """503: so many files are being written that another would have to wait too long."""

    status_code = 503
    default_code = "busy"
    default_detail = gettext_noop(
        "Too many files are being written at the moment. Nothing was done; try again in a minute."
    )


class Download(FileResponse):
    """A file in large pieces."""

    block_size = 64 * 1024


def download(*, name: str, content_type: str, write: Write, reads_only: bool = True) -> Download:
    """Answer with a file of this name, or raise Busy; what it holds is read while it is written.

    It is written to a temporary file first. So a failure on the way is answered as one, where a stream that
    breaks off would look whole; and a slow reader, or one that goes away, holds no connection. Memory holds
    one batch of rows, whatever their number. It is read from a replica, if there is one, unless writing it
    needs a table of its own.
    """
    with ExitStack() as unless_sent:
        file = unless_sent.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        with reading_replica() if reads_only else nullcontext():
            _write_in_turn(file=file, write=write)
        file.seek(0)
        answer = Download(file, as_attachment=True, filename=name, content_type=content_type)
        unless_sent.pop_all()
    return answer


def download_or_page(
    *, name: str, content_type: str, write: Write, reads_only: bool = True
) -> HttpResponseBase:
    """Answer a browser: with the file, or with a page that says to try again."""
    try:
        return download(name=name, content_type=content_type, write=write, reads_only=reads_only)
    except Busy as busy:
        return render(None, "error.html", {"status": 503, "message": gettext(str(busy.detail))}, status=503)


def csv_download(*, name: str, head: Sequence[str], rows: Rows) -> Download:
    """Answer with a CSV file, or raise Busy."""
    return download(name=f"{name}.csv", content_type=_CSV, write=_csv(head, rows))


def csv_download_or_page(*, name: str, head: Sequence[str], rows: Rows) -> HttpResponseBase:
    """Answer a browser with a CSV file."""
    return download_or_page(name=f"{name}.csv", content_type=_CSV, write=_csv(head, rows))


def _csv(head: Sequence[str], rows: Rows) -> Write:
    def write(to: IO[bytes]) -> None:
        # Files are for programs too: their words are English in every language.
        with translation.override("en"):
            write_csv(to=to, head=head, rows=rows)

    return write


def records_file(*, line: ChargeLine, is_by_amount: bool) -> Download:
    """Answer with the line's records as a CSV file, or raise Busy."""
    rows = record_rows(line, is_by_amount=is_by_amount)
    return csv_download(name=_records_name(line), head=RECORD_COLUMNS, rows=rows)


def records_file_or_page(*, line: ChargeLine, is_by_amount: bool = False) -> HttpResponseBase:
    """Answer a browser with the line's records, or with a page that says that they are archived."""
    if archive_of_line(line) is not None:
        message = gettext("The calls behind this line are archived: they are no longer shown here.")
        return render(None, "error.html", {"status": 410, "message": message}, status=410)
    rows = record_rows(line, is_by_amount=is_by_amount)
    return csv_download_or_page(name=_records_name(line), head=RECORD_COLUMNS, rows=rows)


def _records_name(line: ChargeLine) -> str:
    return f"{line.bill.number}-line-{line.pk}"


def _write_in_turn(*, file: IO[bytes], write: Write) -> None:
    _give_the_connection_back()  # a request that waits for a turn holds none
    if not _TURNS.acquire(timeout=PATIENCE_SECONDS):
        raise Busy
    try:
        # A server-side cursor needs a transaction: one snapshot, fetched in batches.
        with transaction.atomic():
            write(file)
    finally:
        _give_the_connection_back()  # Django would keep it until the last byte is sent
        _TURNS.release()


def _give_the_connection_back() -> None:
    # In a transaction, as in a test, it is needed still.
    if not connection.in_atomic_block:
        connection.close()
