"""Answers that are files."""

from contextlib import ExitStack
from tempfile import SpooledTemporaryFile

from django.db import connection
from django.http import FileResponse

from invoices.models import ChargeLine
from invoices.record_files import write_records

_IN_MEMORY = 1024 * 1024


class Download(FileResponse):
    """A file in large pieces."""

    block_size = 64 * 1024


def records_file(*, line: ChargeLine) -> Download:
    """Answer with the line's records as a CSV file.

    PostgreSQL writes them to a temporary file first. So a failure on the way is answered as one, where a
    stream that breaks off would look whole; and whoever reads slowly, or goes away, holds no connection.
    """
    with ExitStack() as unless_sent:
        file = unless_sent.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        write_records(line=line, to=file)
        file.seek(0)
        name = f"{line.bill.number}-line-{line.pk}.csv"
        answer = Download(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
        unless_sent.pop_all()
    # Django would keep the connection until the last byte is sent. In a transaction it is needed still.
    if not connection.in_atomic_block:
        connection.close()
    return answer
