"""Archiving a span of usage records: they leave the table only for a file that explains the same books.

1. The rows are written to a file of a temporary name, which gets its own name once the disk holds it.
2. The file is read back: its rows must be those of the table, and the books of these hours, verified from
   the file, must have no finding.
3. The identities of the events are stored, and every ingest that looked for them before has ended.
4. In one transaction the file is compared once more, the archive is recorded, and the records are deleted;
   the database requires that these are all records of the span, and that their identities remain.

A run that ends before the last step leaves at most a file or identities that change nothing, and the next
run replaces or completes them.
"""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from invoices.books.compare import finding_text
from invoices.books.verify import verify_books
from invoices.models import HourSeal
from invoices.retention.periods import due_month
from invoices.retention.spans import Span, obstacle_of, require_one_server, spans_before
from usage.archive.files import stored_rows
from usage.archive.identities import lock_archives, store_identities, wait_for_ingest
from usage.archive.parquet import (
    ArchiveError,
    RowsDigest,
    digest_of,
    read_rows,
    require_pyarrow,
    sha256_of,
    write_rows,
)
from usage.models import HOUR, UsageArchive


def archive_span(*, span: Span, folder: Path, now: dt.datetime) -> UsageArchive:
    """Move the usage records of a span to a file in this folder; or change nothing and raise ArchiveError."""
    require_pyarrow()
    require_one_server()
    _require_no_obstacle(span)
    path, rows = _write(span, folder=folder)
    archive = _archive(span, path=path, rows=rows, now=now)
    _require_the_same_books(archive)
    store_identities(from_hour=span.from_hour, until_hour=span.until_hour)
    wait_for_ingest()
    try:
        _move(archive, span=span, path=path)
    except IntegrityError as error:
        raise ArchiveError(f"{span}: the database refuses it: {error}") from error
    return archive


def archive_due(*, now: dt.datetime) -> Iterator[UsageArchive]:
    """Archive what is older than USAGE_RETENTION_MONTHS, day by day; what has to stay stays."""
    before = due_month(now)
    for span in spans_before(before) if before else ():
        if obstacle_of(span) is None:
            yield archive_span(span=span, folder=Path(settings.USAGE_ARCHIVE_DIR), now=now)


def _require_no_obstacle(span: Span) -> None:
    if obstacle := obstacle_of(span):
        raise ArchiveError(f"{span}: {obstacle}.")


def _write(span: Span, *, folder: Path) -> tuple[Path, int]:
    """Write the rows of a span to a file, read them back, and return where, and how many they are.

    The name has a part of their hash: a file is only ever replaced by the same rows.
    """
    for left_over in folder.glob(f"usage-{span}.*.unfinished"):
        left_over.unlink(missing_ok=True)
    unfinished = folder.absolute() / f"usage-{span}.{os.getpid()}.unfinished"
    written = RowsDigest()
    write_rows(unfinished, written.watch(stored_rows(from_hour=span.from_hour, until_hour=span.until_hour)))
    rows, sha256 = written.result()
    path = unfinished.with_name(f"usage-{span}-{sha256[:16]}.parquet")
    if not _holds(path, written):
        _give_its_name(unfinished, path)
    unfinished.unlink(missing_ok=True)
    if rows == 0 or not _holds(path, written):
        raise ArchiveError(f"{path} does not hold the records of {span}.")
    return path, rows


def _holds(path: Path, written: RowsDigest) -> bool:
    try:
        return path.exists() and digest_of(read_rows(path)) == written.result()
    except ArchiveError:
        return False


def _give_its_name(unfinished: Path, path: Path) -> None:
    try:
        unfinished.replace(path)
        _have_on_disk(path.parent)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error}") from error


def _have_on_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _archive(span: Span, *, path: Path, rows: int, now: dt.datetime) -> UsageArchive:
    is_at_home = path.parent == Path(settings.USAGE_ARCHIVE_DIR).absolute()
    return UsageArchive(
        from_hour=span.from_hour,
        until_hour=span.until_hour,
        records=rows,
        file=path.name if is_at_home else str(path),
        size=path.stat().st_size,
        sha256=sha256_of(path),
        seal=bytes(HourSeal.objects.get(hour_id=span.until_hour - HOUR).sha256),
        archived_at=now,
    )


def _require_the_same_books(archive: UsageArchive) -> None:
    """Raise ArchiveError unless the records of the file give the bills, lines and seals of these hours."""
    findings = verify_books(
        from_hour=archive.from_hour, until_hour=archive.until_hour, pending=archive
    ).findings
    if findings.count:
        first = finding_text(findings.first[0].as_json())
        raise ArchiveError(f"The books do not verify, {findings.count:,} findings, first: {first}")


@transaction.atomic(durable=True)
def _move(archive: UsageArchive, *, span: Span, path: Path) -> None:
    lock_archives()
    _require_no_obstacle(span)
    if sha256_of(path) != archive.sha256:
        raise ArchiveError(f"{path} has changed since it was written.")
    archive.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [archive.from_hour, archive.until_hour])


_DELETE = "DELETE FROM usage_usagerecord WHERE billing_hour >= %s AND billing_hour < %s"
