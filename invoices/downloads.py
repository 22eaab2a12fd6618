"""Answers that are files."""

from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from threading import BoundedSemaphore

from django.db import connection
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework.exceptions import APIException

from invoices.models import ChargeLine
from invoices.record_files import write_records

_IN_MEMORY = 1024 * 1024
# Of a process's connections at most so many write files; the others are for reports and pages.
AT_A_TIME = 2
PATIENCE_SECONDS = 20.0
_TURNS = BoundedSemaphore(AT_A_TIME)


class Busy(APIException):
    """503: so many files are being written that another would have to wait too long."""

    status_code = 503
    default_code = "busy"
    default_detail = (
        "Too many files are being written at the moment. Nothing was done; ask again in a minute."
    )


class Download(FileResponse):
    """A file in large pieces."""

    block_size = 64 * 1024


def records_file(*, line: ChargeLine) -> Download:
    """Answer with the line's records as a CSV file, or raise Busy.

    PostgreSQL writes them to a temporary file first. So a failure on the way is answered as one, where a
    stream that breaks off would look whole; and whoever reads slowly, or goes away, holds no connection.
    """
    name = f"{line.bill.number}-line-{line.pk}.csv"
    with ExitStack() as unless_sent:
        file = unless_sent.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        _write_in_turn(line=line, file=file)
        file.seek(0)
        answer = Download(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
        unless_sent.pop_all()
    return answer


def records_file_or_page(*, line: ChargeLine) -> HttpResponseBase:
    """Answer a browser: with the file, or with a page that says to come again."""
    try:
        return records_file(line=line)
    except Busy as busy:
        return render(None, "error.html", {"status": 503, "message": busy.detail}, status=503)


def _write_in_turn(*, line: ChargeLine, file: "SpooledTemporaryFile[bytes]") -> None:
    _give_the_connection_back()  # whoever waits for a turn holds none
    if not _TURNS.acquire(timeout=PATIENCE_SECONDS):
        raise Busy
    try:
        write_records(line=line, to=file)
    finally:
        _give_the_connection_back()  # Django would keep it until the last byte is sent
        _TURNS.release()


def _give_the_connection_back() -> None:
    # In a transaction, as in a test, it is needed still.
    if not connection.in_atomic_block:
        connection.close()
